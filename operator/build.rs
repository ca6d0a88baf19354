//! Has the linker leave out the tables for unwinding of a release, which never does: 2 of 18 MiB.

use std::env;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=no-unwind.ld");
    let is = |name: &str, value: &str| env::var(name).is_ok_and(|found| found == value);
    if is("PROFILE", "release") && is("CARGO_CFG_TARGET_OS", "linux") && is("CARGO_CFG_TARGET_ENV", "gnu") {
        let folder = env::var("CARGO_MANIFEST_DIR").expect("cargo says where this is");
        // LLVM's linker, which Rust brings along, can leave out the tables of all objects or of none.
        println!("cargo:rustc-link-arg-bins=-fuse-ld=bfd");
        println!("cargo:rustc-link-arg-bins=-Wl,-T,{folder}/no-unwind.ld");
    }
}
