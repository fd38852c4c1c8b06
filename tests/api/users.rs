//! Accounts: registering, signing in, the profile, the password.

mod login;
mod names;
mod password;
mod profile;
mod register;
