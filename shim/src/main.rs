//! `llm-api`: the server, and the commands of its operator.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "this is the face of the program")]

mod cli;
mod commands;
mod exit;
mod progress;
mod serve;
mod welcome;

use std::process::ExitCode;

/// Many small allocations for each request; the system's allocator spends twice the time on them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // On one core a second thread could only take turns with the first.
    let is_alone = std::thread::available_parallelism().is_ok_and(|cores| cores.get() == 1);
    let mut builder = if is_alone {
        tokio::runtime::Builder::new_current_thread()
    } else {
        tokio::runtime::Builder::new_multi_thread()
    };
    let runtime = match builder.enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("llm-api: cannot start its threads: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(cli::run()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(exit) => {
            eprintln!("llm-api: {exit}");
            ExitCode::from(exit.code())
        }
    }
}
