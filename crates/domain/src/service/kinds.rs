//! The table. Whose word a shape is stands with it: the service's own documentation, or, where that
//! shows examples only, the rules of the scanner gitleaks, which watches what is in use.

mod ai;
mod cloud;
mod code;
mod data;
mod general;
mod messages;
mod payments;
mod work;

use super::{Check, Kind};

/// All of it, by area. Of several that fit, the first one counts.
pub const KINDS: [&[Kind]; 8] = [
    code::KINDS,
    cloud::KINDS,
    ai::KINDS,
    messages::KINDS,
    payments::KINDS,
    data::KINDS,
    work::KINDS,
    general::KINDS,
];

/// Reads like a table: the id, the service, what it is called, its variables, its shapes, words of
/// its name where the shape says too little, the check, from how many bytes on its beginning is
/// enough, and the source.
macro_rules! kinds {
    ($($id:literal $service:literal $title:literal $variables:tt $shapes:tt $near:tt
       $check:ident $begins:literal $source:literal;)+) => {
        &[$(Kind {
            id: $id,
            service: $service,
            title: $title,
            variables: &$variables,
            shapes: &$shapes,
            near: &$near,
            check: Check::$check,
            begins_bytes_min: $begins,
            source: $source,
        }),+]
    };
}
use kinds;
