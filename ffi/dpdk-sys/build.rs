//! Finds libdpdk with pkg-config, compiles the shim and writes the bindings.
//!
//! The order of pkg-config's words is kept as it is, and nothing is linked that pkg-config does not
//! name. Linking is against the shared libraries: EAL then loads its drivers itself.

#![expect(clippy::panic, reason = "a build script reports what is missing by failing")]

use std::env;
use std::path::PathBuf;
use std::process::Command;

/// The oldest release whose headers the shim is written for.
const MIN_VERSION: &str = "22.11";

/// DPDK functions that are ordinary exported symbols in every supported release.
const FUNCTIONS: &[&str] = &[
    "rte_dev_probe",
    "rte_eal_cleanup",
    "rte_eal_init",
    "rte_eth_dev_adjust_nb_rx_tx_desc",
    "rte_eth_dev_close",
    "rte_eth_dev_get_mtu",
    "rte_eth_dev_get_name_by_port",
    "rte_eth_dev_get_port_by_name",
    "rte_eth_dev_set_mtu",
    "rte_eth_dev_socket_id",
    "rte_eth_dev_start",
    "rte_eth_dev_stop",
    "rte_eth_macaddr_get",
    "rte_eth_promiscuous_disable",
    "rte_eth_promiscuous_enable",
    "rte_eth_promiscuous_get",
    "rte_eth_rx_queue_setup",
    "rte_eth_tx_queue_setup",
    "rte_eth_xstats_get",
    "rte_eth_xstats_get_names",
    "rte_get_tsc_hz",
    "rte_mempool_avail_count",
    "rte_mempool_in_use_count",
    "rte_pktmbuf_free_bulk",
    "rte_pktmbuf_pool_create",
    "rte_socket_id",
    "rte_strerror",
    "rte_thread_register",
    "rte_thread_unregister",
    "rte_version",
    // The shim.
    "rte_[a-z_]+_",
    "shim_[a-z_]+",
];

/// Structures that Rust only ever holds a pointer to. Their fields move between releases, so the
/// bindings do not show them at all.
const OPAQUE: &[&str] =
    &["rte_mbuf", "rte_mempool", "rte_eth_rxconf", "rte_eth_txconf", "rte_flow"];

fn main() {
    for file in ["build.rs", "shim/shim.c", "shim/shim.h"] {
        println!("cargo::rerun-if-changed={file}");
    }
    println!("cargo::rerun-if-env-changed=PKG_CONFIG_PATH");

    let version = pkg_config(&["--modversion"]).join(" ");
    let cflags = pkg_config(&["--cflags"]);
    let libs = pkg_config(&["--libs"]);
    println!("cargo::metadata=version={version}");

    compile_shim(&cflags);
    write_bindings(&cflags);
    link(&libs);
}

fn testing() -> bool {
    env::var_os("CARGO_FEATURE_TESTING").is_some()
}

/// The words pkg-config prints for libdpdk. A machine without it cannot build this crate, and the
/// message says what to install.
fn pkg_config(args: &[&str]) -> Vec<String> {
    let atleast = format!("libdpdk >= {MIN_VERSION}");
    let program = env::var_os("PKG_CONFIG").unwrap_or_else(|| "pkg-config".into());
    let why = match Command::new(program).args(args).arg(&atleast).output() {
        Ok(out) if out.status.success() => {
            let text = String::from_utf8_lossy(&out.stdout);
            return text.split_whitespace().map(str::to_owned).collect();
        }
        Ok(out) => String::from_utf8_lossy(&out.stderr).trim().to_owned(),
        Err(e) => format!("pkg-config could not be run: {e}"),
    };
    panic!(
        "\n\nRVS needs the development files of DPDK {MIN_VERSION} or newer, and they were not \
         found. On Debian or Ubuntu run `apt-get install libdpdk-dev pkg-config libclang-dev`; \
         with a DPDK of your own, put the directory of its libdpdk.pc into PKG_CONFIG_PATH. \
         pkg-config said: {why}\n"
    );
}

fn compile_shim(cflags: &[String]) {
    let mut build = cc::Build::new();
    build.file("shim/shim.c").opt_level(3).warnings(true);
    if testing() {
        build.define("SHIM_TESTING", None);
    }
    for flag in cflags {
        build.flag(flag);
    }
    // DPDK's own headers use what they mark as deprecated or leave unused.
    for flag in ["-Wno-deprecated-declarations", "-Wno-unused-parameter"] {
        build.flag(flag);
    }
    build.compile("rvs_dpdk_shim");
}

fn write_bindings(cflags: &[String]) {
    let mut builder = bindgen::Builder::default()
        .header("shim/shim.h")
        .clang_args(cflags)
        .use_core()
        .layout_tests(true)
        .derive_default(true)
        .generate_comments(false)
        .prepend_enum_name(false)
        .default_enum_style(bindgen::EnumVariation::Consts)
        .allowlist_recursively(false)
        .allowlist_type("shim_.*|rte_ether_addr|rte_eth_xstat|rte_eth_xstat_name")
        .allowlist_var("SHIM_.*");
    if testing() {
        builder = builder.clang_arg("-DSHIM_TESTING");
    }
    for name in FUNCTIONS {
        builder = builder.allowlist_function(name);
    }
    for name in OPAQUE {
        let item = format!("#[repr(C)]\npub struct {name} {{ _opaque: [u8; 0] }}");
        builder = builder.raw_line(item);
    }
    let out = env::var_os("OUT_DIR").map(PathBuf::from).unwrap_or_default().join("bindings.rs");
    match builder.generate() {
        Ok(bindings) => {
            if let Err(e) = bindings.write_to_file(&out) {
                panic!("the bindings could not be written to {}: {e}", out.display());
            }
        }
        Err(e) => panic!(
            "\n\nbindgen could not read DPDK's headers (it needs libclang: `apt-get install \
             libclang-dev`): {e}\n"
        ),
    }
}

fn link(libs: &[String]) {
    for word in libs {
        if let Some(dir) = word.strip_prefix("-L") {
            println!("cargo::rustc-link-search=native={dir}");
        } else if let Some(lib) = word.strip_prefix("-l") {
            println!("cargo::rustc-link-lib=dylib={lib}");
        }
        // The rest is `-Wl,--as-needed`, which rustc passes anyway.
    }
}
