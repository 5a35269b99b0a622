//! The program; everything is in the library.

use std::process::ExitCode;

/// glibc keeps a heap for each thread, so that a server under mixed load grows for hours. Debug builds do with it: there, tests
/// put a clock of their own before the system's, by a library that waits for jemalloc while jemalloc waits for it.
#[cfg(all(not(target_env = "msvc"), not(debug_assertions)))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    doctyped::cli::main()
}
