//! Which refs are rotated: those that are due, those of a service, and whether one can be at all.

use super::rotation_event;
use crate::custody::{Custody, CustodyError};
use secretref_domain::{
    caller::Caller,
    id::SecretId,
    ledger::{Ledger, Secret},
    name::{EnvironmentName, SecretName},
    policy::Action,
    reference::ProviderKind,
    rotation::{Phase, RotationPolicy, Touch, Trigger},
};

impl Custody {
    /// What a rotation of a ref would do to whom.
    ///
    /// # Errors
    /// [`CustodyError`] where it cannot be rotated.
    pub async fn plan_rotation(
        &self,
        caller: &Caller,
        environment: Option<EnvironmentName>,
        reference: &SecretName,
    ) -> Result<(RotationPolicy, SecretName, Vec<Touch>), CustodyError> {
        let environment = self.environment(environment);
        let record = || rotation_event(caller, "rotation.plan", &environment, reference);
        self.permit(caller, Action::MetadataRead, record).await?;
        let (policy, secret) = {
            let ledger = self.shared.ledger();
            let (policy, secret) = rotatable(&ledger, &environment, reference)?;
            (policy.clone(), secret.name.clone())
        };
        Ok((policy, secret, self.touched_by(&environment, reference).await?))
    }

    /// How a ref is rotated, for whoever may begin it.
    ///
    /// # Errors
    /// [`CustodyError`] where it cannot be rotated, or he may not.
    pub async fn may_rotate(
        &self,
        caller: &Caller,
        environment: Option<EnvironmentName>,
        reference: &SecretName,
    ) -> Result<RotationPolicy, CustodyError> {
        let environment = self.environment(environment);
        let record = || rotation_event(caller, "rotation.begin", &environment, reference);
        self.permit(caller, Action::RotationWrite, record).await?;
        let ledger = self.shared.ledger();
        Ok(rotatable(&ledger, &environment, reference)?.0.clone())
    }

    /// The refs that are asked for: one that is named, or those of a service; of them only those
    /// whose value ends within so many days, unless it is 0.
    ///
    /// # Errors
    /// [`CustodyError::NotFound`] where the service has no ref; a denial.
    pub async fn rotatable_refs(
        &self,
        caller: &Caller,
        environment: Option<EnvironmentName>,
        named: Option<&SecretName>,
        service: &str,
        days: u32,
    ) -> Result<Vec<SecretName>, CustodyError> {
        let environment = self.environment(environment);
        let any = SecretName::parse("any").unwrap_or_else(|_| unreachable!("a constant"));
        let record =
            || rotation_event(caller, "rotation.select", &environment, named.unwrap_or(&any));
        self.permit(caller, Action::MetadataRead, record).await?;
        let now = self.now();
        let ledger = self.shared.ledger();
        let of_service = |name: &&SecretName| ledger.service_of(&environment, name) == service;
        let refs = ledger.references(&environment).map(|(name, _)| name);
        let mut found: Vec<SecretName> = match named {
            Some(named) => vec![named.clone()],
            None => refs.filter(of_service).cloned().collect(),
        };
        if found.is_empty() {
            return Err(CustodyError::NotFound {
                kind: "ref of service",
                name: service.to_owned(),
                fix: format!("secretref audit --secrets --verbose --environment {environment}"),
            });
        }
        if days > 0 {
            let limit = now.plus_seconds(i64::from(days) * 24 * 3600);
            found.retain(|name| {
                let secret = ledger.rotated_secret(&environment, name);
                let version = secret.and_then(|secret| secret.versions.get(&secret.current));
                let said = ledger.reference(&environment, name).and_then(|it| it.expires_at);
                let ends = version.and_then(|version| version.expires_at).or(said);
                ends.is_some_and(|ends| ends <= limit)
            });
        }
        Ok(found)
    }

    /// The refs that are due to be rotated by themselves now.
    #[must_use]
    pub fn due_rotations(&self) -> Vec<(EnvironmentName, SecretName, Trigger)> {
        self.shared.ledger().due_rotations(self.now(), jitter)
    }
}

/// Each secret has a number of its own, the same for every broker: its identity ends in random
/// bytes.
pub(super) fn jitter(secret: SecretId) -> f64 {
    let [.., first, second] = secret.0.into_bytes();
    f64::from(u16::from_be_bytes([first, second])) / f64::from(u16::MAX)
}

/// How a ref is rotated, and the secret that is.
pub(in crate::custody) fn rotatable<'l>(
    ledger: &'l Ledger,
    environment: &EnvironmentName,
    reference: &SecretName,
) -> Result<(&'l RotationPolicy, &'l Secret), CustodyError> {
    let refused = |code: &'static str, message: String, fix: String| CustodyError::Precondition {
        code,
        message,
        fix,
    };
    let policy = ledger.reference(environment, reference).and_then(|it| it.rotation.as_ref());
    let policy = policy.ok_or_else(|| {
        let message = format!("ref {reference:?} names no rotator");
        let fix = format!("add `\"rotation\": {{\"rotator\": \"ALIAS\"}}` to refMap.{reference}");
        refused("NO_ROTATOR", message, fix)
    })?;
    if ledger.rotator(&policy.rotator).is_none() {
        let message = format!("rotator {:?} of ref {reference:?} is not there", policy.rotator);
        let fix = format!("set `secrets.rotators.{}` and apply again", policy.rotator);
        return Err(refused("NO_ROTATOR", message, fix));
    }
    let secret = ledger.rotated_secret(environment, reference).ok_or_else(|| {
        let message = format!("ref {reference:?} has no value yet that could be replaced");
        refused("NO_VALUE", message, format!("secretref put {reference}"))
    })?;
    let first = ledger.chain(environment, reference).into_iter().next();
    if let Some((link, kind)) = first.and_then(|link| Some((link.source.clone(), link.kind?)))
        && matches!(kind, ProviderKind::Env | ProviderKind::Exec)
    {
        let (alias, kind) = (link.provider, kind.as_str());
        let message = format!(
            "ref {reference:?} belongs to provider {alias:?}, and a provider of type {kind} cannot \
             be written: what is rotated here would be undone by it"
        );
        let fix = "rotate it at its source, or move the ref to the store".to_owned();
        return Err(refused("PROVIDER_READ_ONLY", message, fix));
    }
    if let Some(rotation) = ledger.rotation_of(secret.id) {
        let (by, phase) = (&rotation.asked.by, rotation.phase.as_str());
        let message = format!("ref {reference:?} is being rotated already ({phase}, by {by})");
        let fix = match rotation.phase {
            Phase::Draining { .. } => {
                format!("secretref rotate {reference} --force, which ends its overlap first")
            }
            _ => format!("secretref rotate status {reference}"),
        };
        return Err(refused("ROTATION_UNDER_WAY", message, fix));
    }
    Ok((policy, secret))
}
