//! What a rotation does to the agent, by its hook.

use secretref_domain::agent::OnRotate;
use secretref_proto::v1::RotationEffect;

/// The hook of a target, where this sidecar calls it by itself; the rest is for whoever runs the
/// agent's program. A form of a newer broker is none.
#[must_use]
pub fn callable(on_rotate: Option<&str>) -> Option<OnRotate> {
    let hook = OnRotate::try_from(on_rotate?.to_owned()).ok()?;
    let own = match hook {
        OnRotate::SignalFile { .. }
        | OnRotate::Http(_)
        | OnRotate::Exec(_)
        | OnRotate::OpenClaw
        | OnRotate::OpenClawProgram(_) => true,
        OnRotate::Restart | OnRotate::Signal(_) | OnRotate::None => false,
    };
    own.then_some(hook)
}

/// What the next rotation does to a program that this sidecar did not start.
#[must_use]
pub fn of(on_rotate: Option<&str>) -> RotationEffect {
    match callable(on_rotate) {
        Some(OnRotate::SignalFile { .. }) => RotationEffect::Signal,
        Some(_) => RotationEffect::Hook,
        None => RotationEffect::Nothing,
    }
}
