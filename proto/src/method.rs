//! Every method on the wire, as an enum, so that who may call it is decided for each by a `match`
//! that does not compile without an arm for a new one.

// Made by build.rs from the descriptor: the enum, `Method::ALL` and `Method::path`.
include!(concat!(env!("OUT_DIR"), "/method.rs"));

impl Method {
    /// The method that a request's path names. A path has one spelling: nothing is normalised.
    #[must_use]
    pub fn from_path(path: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.path() == path)
    }
}

#[cfg(test)]
mod tests;
