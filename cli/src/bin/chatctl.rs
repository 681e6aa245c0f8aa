//! The tool of a chat network: talk, look, measure, and try a whole network on one machine.

fn main() -> std::process::ExitCode {
    chatring::commands::main()
}
