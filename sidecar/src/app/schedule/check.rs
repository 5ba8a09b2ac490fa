//! Whether a run could begin as things are: by a look, which brings no value. Pure.

use crate::{app::AppError, config::ProgramConfig, fold::Offer, sinks::process::plan::lacking};

/// Whether a run could begin.
///
/// # Errors
/// [`AppError::Unresolved`] with every ref that is lacking, or that nobody says what to run.
pub(super) fn check(offer: &Offer, program: &ProgramConfig) -> Result<(), AppError> {
    let named = offer.settings.command.is_empty();
    if program.command.is_empty() && named {
        return Err(AppError::NoCommand);
    }
    let targets = offer.entries.iter().map(|entry| &entry.targets[..]);
    match lacking(targets, &offer.missing, &program.choice) {
        lines if lines.is_empty() => Ok(()),
        lines => Err(AppError::Unresolved(lines.join("\nerror: "))),
    }
}

#[cfg(test)]
mod tests;
