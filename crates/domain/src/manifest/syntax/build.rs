//! What holds for every form: how deep, how many, and nothing twice.

use crate::{
    limit::MANIFEST_DEPTH_MAX,
    manifest::problems::{At, Problems, shown},
};
use serde_json::{Map, Number, Value};

/// Values of one file, of every kind and depth.
const VALUES_MAX: usize = 100_000;

/// What was refused is among the problems.
pub(super) struct Refused;

/// One file in the making.
pub(super) struct Build<'p> {
    problems: &'p mut Problems,
    values: usize,
    refused: bool,
}

impl<'p> Build<'p> {
    pub(super) fn new(problems: &'p mut Problems) -> Self {
        Self { problems, values: 0, refused: false }
    }

    /// Whether reading stopped for what is among the problems already.
    pub(super) fn refused(&self) -> bool {
        self.refused
    }

    /// Stops reading.
    pub(super) fn refuse(&mut self, at: &At, problem: impl Into<String>, fix: &str) -> Refused {
        self.refused = true;
        self.problems.add(at, problem, fix);
        Refused
    }

    /// Counts one more value.
    pub(super) fn count(&mut self, at: &At) -> Result<(), Refused> {
        self.values += 1;
        if self.values > VALUES_MAX {
            let problem = format!("the file has more than {VALUES_MAX} values");
            return Err(self.refuse(at, problem, "split it into several files"));
        }
        Ok(())
    }

    /// Goes into a list or an object at this depth.
    pub(super) fn open(&mut self, at: &At, depth: usize) -> Result<(), Refused> {
        if depth >= MANIFEST_DEPTH_MAX {
            let problem = format!("it is nested more than {MANIFEST_DEPTH_MAX} deep");
            let fix = "no key of a manifest lies as deep: flatten it";
            return Err(self.refuse(at, problem, fix));
        }
        Ok(())
    }

    /// Reports a key that an object has already; reading goes on, so that all are told.
    pub(super) fn check_new(&mut self, at: &At, members: &Map<String, Value>, key: &str) {
        if members.contains_key(key) {
            let problem = format!("the key {} stands twice in one object", shown(key));
            self.problems.add(at, problem, "keep one of the two");
        }
    }

    /// A number with a fraction or an exponent.
    pub(super) fn fraction(&mut self, at: &At, given: f64) -> Result<Value, Refused> {
        let number = Number::from_f64(given).map(Value::Number);
        number.ok_or_else(|| {
            let problem = "the number is infinite, or none at all";
            self.refuse(at, problem, "write a number that can be counted to")
        })
    }
}
