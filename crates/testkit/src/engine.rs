//! The two engines that every story runs on.

use crate::postgres;
use anyhow::Result;

/// What a broker keeps its store in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// A file in the broker's folder.
    Sqlite,
    /// A database of its own in the throwaway cluster.
    Postgres,
}

impl Engine {
    /// What `init --database-url` gets; nothing for SQLite, which is the default.
    ///
    /// # Errors
    /// Where there is no Postgres to be had.
    pub async fn database_url(self) -> Result<Option<String>> {
        match self {
            Self::Sqlite => Ok(None),
            Self::Postgres => postgres::database().await.map(Some),
        }
    }
}

/// Runs each of these stories, `async fn(Engine) -> anyhow::Result<()>`, on both engines.
#[macro_export]
macro_rules! on_both_engines {
    ($($story:ident),+ $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $story() -> anyhow::Result<()> {
                super::$story($crate::engine::Engine::Sqlite).await
            })+
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $story() -> anyhow::Result<()> {
                super::$story($crate::engine::Engine::Postgres).await
            })+
        }
    };
}
