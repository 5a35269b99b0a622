//! The program; everything is in the library.

use std::process::ExitCode;

/// glibc keeps a heap for each thread, so that a server under mixed load grows for hours.
#[cfg(not(target_env = "msvc"))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    doctyped::cli::main()
}
