/*
 * Gives a user-mode Linux a clock that never waits. Preloaded, it does two things to the time that
 * such a kernel reads from its host: when it has nothing to do but wait for its timer, the clock
 * goes straight on to that moment; and while it works, the clock goes slowly, so that a busy host
 * does not make its connections older. Seconds that pass in there cost nothing, and a recording
 * has the same times whatever machine it is made on.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <time.h>

/* How much slower than the host's the clock goes while the kernel works. */
#define SLOWER 16
#define NS_PER_S 1000000000LL

typedef long long ns_t;

static int (*real_clock_gettime)(clockid_t, struct timespec *);
static int (*real_timer_create)(clockid_t, struct sigevent *, timer_t *);
static int (*real_timer_gettime)(timer_t, struct itimerspec *);
static int (*real_timer_settime)(timer_t, int, const struct itimerspec *, struct itimerspec *);
static int (*real_sigsuspend)(const sigset_t *);

/* The one timer that the kernel lives by. */
static timer_t alarm_timer;
/* The host's time at the beginning, and what was not waited for since. */
static ns_t began, skipped;

static ns_t ns_of(struct timespec time)
{
	return time.tv_sec * NS_PER_S + time.tv_nsec;
}

static struct timespec time_of(ns_t ns)
{
	return (struct timespec){ .tv_sec = ns / NS_PER_S, .tv_nsec = ns % NS_PER_S };
}

__attribute__((constructor)) static void begin(void)
{
	struct timespec now;
	real_clock_gettime = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
	real_timer_create = (int (*)(clockid_t, struct sigevent *, timer_t *))
		dlsym(RTLD_NEXT, "timer_create");
	real_timer_gettime = (int (*)(timer_t, struct itimerspec *))dlsym(RTLD_NEXT, "timer_gettime");
	real_timer_settime =
		(int (*)(timer_t, int, const struct itimerspec *, struct itimerspec *))
		dlsym(RTLD_NEXT, "timer_settime");
	real_sigsuspend = (int (*)(const sigset_t *))dlsym(RTLD_NEXT, "sigsuspend");
	real_clock_gettime(CLOCK_MONOTONIC, &now);
	began = ns_of(now);
}

int clock_gettime(clockid_t clock, struct timespec *time)
{
	if (!real_clock_gettime)
		begin();
	int result = real_clock_gettime(clock, time);
	if (result == 0 && clock == CLOCK_MONOTONIC)
		*time = time_of(began + (ns_of(*time) - began) / SLOWER + skipped);
	return result;
}

int timer_create(clockid_t clock, struct sigevent *event, timer_t *timer)
{
	int result = real_timer_create(clock, event, timer);
	if (result == 0)
		alarm_timer = *timer;
	return result;
}

/* The kernel asks for times of its own clock. */
int timer_settime(timer_t timer, int flags, const struct itimerspec *new, struct itimerspec *old)
{
	struct itimerspec slower = {
		.it_interval = time_of(ns_of(new->it_interval) * SLOWER),
		.it_value = time_of(ns_of(new->it_value) * SLOWER),
	};
	return real_timer_settime(timer, flags, &slower, old);
}

/* Idle, with the timer's signal blocked until now: it comes at once, and the clock agrees. */
int sigsuspend(const sigset_t *mask)
{
	struct itimerspec left;
	if (real_timer_gettime(alarm_timer, &left) == 0 && ns_of(left.it_value) > 0) {
		skipped += ns_of(left.it_value) / SLOWER + 1;
		left.it_value = time_of(1);
		real_timer_settime(alarm_timer, 0, &left, NULL);
	}
	return real_sigsuspend(mask);
}
