//! The broker's own authority in the hands of a test: what the wrong certificates are signed with
//! is what the right ones are.

use super::der::Signer;
use crate::world::World;
use anyhow::{Context, Result, ensure};

/// A root and its three intermediates, with their keys.
pub(super) struct Authority {
    pub(super) root: Signer,
    pub(super) agents: Signer,
    pub(super) admins: Signer,
    pub(super) servers: Signer,
}

impl Authority {
    pub(super) async fn of(world: &World) -> Result<Self> {
        let custody = world.place.open().await?;
        let export = custody.authority().export();
        let mut rest = export.get(1..).context("an empty export")?;
        field(&mut rest)?;
        let mut signer = |line: bool| -> Result<Signer> {
            let (certificate, key) = (field(&mut rest)?, field(&mut rest)?);
            if line {
                let (count, after) = rest.split_first().context("no count")?;
                ensure!(*count == 0, "a new authority has former intermediates");
                rest = after;
            }
            Ok(Signer { certificate, key })
        };
        Ok(Self {
            root: signer(false)?,
            agents: signer(true)?,
            admins: signer(true)?,
            servers: signer(true)?,
        })
    }
}

fn field(rest: &mut &[u8]) -> Result<Vec<u8>> {
    let (length, after) = rest.split_first_chunk().context("a field without a length")?;
    let length = usize::try_from(u32::from_be_bytes(*length))?;
    let (field, after) = after.split_at_checked(length).context("a short field")?;
    *rest = after;
    Ok(field.to_vec())
}
