//! Every endpoint on every database, through HTTP, as stories of the people who use it.

mod users;
