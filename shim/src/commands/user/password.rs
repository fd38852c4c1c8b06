//! How a new password comes in. Never from an argument: arguments stand in the process list.

use std::io::{BufRead as _, IsTerminal as _};

use secrecy::{ExposeSecret as _, SecretString};

use crate::exit::Exit;

/// The first line of standard input, or what is typed twice without echo.
pub(super) fn new_password(from_stdin: bool) -> Result<SecretString, Exit> {
    if from_stdin {
        let mut line = String::new();
        std::io::stdin().lock().read_line(&mut line).map_err(Exit::failed)?;
        return Ok(SecretString::from(line.trim_end_matches(['\r', '\n'])));
    }
    if !std::io::stdin().is_terminal() {
        return Err(Exit::usage("no terminal to ask for the password on; use --password-stdin"));
    }
    let ask = |prompt| rpassword::prompt_password(prompt).map(SecretString::from).map_err(Exit::failed);
    let password = ask("Password: ")?;
    if ask("Once more: ")?.expose_secret() != password.expose_secret() {
        return Err(Exit::usage("the two passwords differ"));
    }
    Ok(password)
}
