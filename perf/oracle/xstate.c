/*
 * Lets a user-mode Linux of before 6.13 run on CPUs with more register state than it has room for
 * (AMX). Such a kernel keeps 2696 bytes for each task, up to PKRU, and the host's kernel takes
 * nothing but the whole of its own size back: PTRACE_SETREGSET ends with EFAULT. Preloaded, this
 * adds what is missing from the task itself: state that no program in there uses.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <elf.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>

/* More than any CPU has: 11 KiB with AMX. */
static char whole[64 * 1024] __attribute__((aligned(64)));

/* Which parts hold state: the first field of the header behind the 512 bytes of FXSAVE. */
#define PARTS_AT 512

long ptrace(enum __ptrace_request request, ...)
{
	static long (*real)(enum __ptrace_request, ...);
	struct iovec all = { whole, sizeof(whole) };
	va_list rest;
	va_start(rest, request);
	long pid = va_arg(rest, long);
	void *address = va_arg(rest, void *), *data = va_arg(rest, void *);
	va_end(rest);
	if (!real)
		real = (long (*)(enum __ptrace_request, ...))dlsym(RTLD_NEXT, "ptrace");
	if ((long)request != PTRACE_SETREGSET || (long)address != NT_X86_XSTATE)
		return real(request, pid, address, data);

	struct iovec *given = data;
	if (real(PTRACE_GETREGSET, pid, address, &all) < 0 || all.iov_len <= given->iov_len)
		return real(request, pid, address, data);
	memcpy(whole, given->iov_base, given->iov_len);
	/* AMX' tiles (parts 17 and 18) lie behind what is given, and are never in use. */
	unsigned long parts;
	memcpy(&parts, whole + PARTS_AT, sizeof(parts));
	parts &= ~(3UL << 17);
	memcpy(whole + PARTS_AT, &parts, sizeof(parts));
	return real(request, pid, address, &all);
}
