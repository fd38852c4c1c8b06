//! The parts of the benchmark that must be fast: a scripted provider, a load client, and the arithmetic of the report.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "the terminal is this binary's only face")]

mod client;
mod hold;
mod load;
mod ready;
mod report;
mod script;
mod stats;
mod upstream;

use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// What any part may fail with; it is printed and the process ends.
type Failure = Box<dyn std::error::Error + Send + Sync>;

#[derive(Debug, Parser)]
#[command(version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Answer as an OpenAI provider, always the same, as fast as possible.
    Upstream {
        /// Port on 127.0.0.1.
        #[arg(long)]
        port: u16,
    },
    /// Send requests from a fixed number of connections, each waiting for its answer; print one line of JSON.
    Load(load::Plan),
    /// Open streams and hold them until standard input closes.
    Hold(hold::Plan),
    /// Wait until a URL answers 200; print the microseconds since `--since`.
    Ready(ready::Plan),
    /// Print ports that are free now, one a line.
    Ports {
        #[arg(long, default_value_t = 1)]
        count: usize,
    },
    /// Make the Markdown table from the records of a run.
    Report {
        /// A file of JSON lines.
        records: PathBuf,
    },
}

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("llm-api-bench: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<(), Failure> {
    // One thread: the load client and the provider share one core, so more would only add switching.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match command {
        Command::Upstream { port } => runtime.block_on(upstream::serve(port)),
        Command::Load(plan) => runtime.block_on(load::run(plan)),
        Command::Hold(plan) => runtime.block_on(hold::run(plan)),
        Command::Ready(plan) => runtime.block_on(ready::run(plan)),
        Command::Ports { count } => free_ports(count),
        Command::Report { records } => {
            print!("{}", report::table(&std::fs::read_to_string(records)?)?);
            Ok(())
        }
    }
}

/// All are bound before the first is let go, so no port is printed twice.
fn free_ports(count: usize) -> Result<(), Failure> {
    let bound = (0..count).map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).collect::<Result<Vec<_>, _>>()?;
    for listener in &bound {
        println!("{}", listener.local_addr()?.port());
    }
    Ok(())
}
