use llm_api_crypto::MasterKey;
use secrecy::ExposeSecret as _;

use crate::exit::Exit;

pub(crate) fn run() -> Result<(), Exit> {
    let key = MasterKey::generate().map_err(Exit::failed)?;
    println!("{}", key.to_base64().expose_secret());
    Ok(())
}
