use std::path::PathBuf;
use std::sync::Arc;

use dispatch_adapters::model::log::{LogError, TopicLog};
use dispatch_adapters::sqlite::{SqliteLog, SqliteLogOptions};
use serde::{Deserialize, Serialize};

/// Where a log is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Place {
    /// In a folder, which belongs to one process at a time.
    Folder(PathBuf),
    /// On a server, under a prefix.
    #[cfg(feature = "jetstream")]
    Server { url: String, prefix: String },
}

impl Place {
    pub(crate) async fn open(&self) -> Result<Arc<dyn TopicLog>, LogError> {
        Ok(match self {
            Self::Folder(folder) => Arc::new(SqliteLog::open(SqliteLogOptions::new(folder)).await?),
            #[cfg(feature = "jetstream")]
            Self::Server { url, prefix } => {
                use dispatch_adapters::jetstream::{JetStreamLog, JetStreamLogOptions};
                let options = JetStreamLogOptions::new(url.as_str()).with_prefix(prefix);
                Arc::new(JetStreamLog::connect(options).await?)
            }
        })
    }

    /// Whether several processes may have it.
    pub(crate) const fn is_shared(&self) -> bool {
        match self {
            Self::Folder(_) => false,
            #[cfg(feature = "jetstream")]
            Self::Server { .. } => true,
        }
    }
}

/// A prefix of one test on the server; its streams are removed at the end.
#[cfg(feature = "jetstream")]
pub(crate) struct Server {
    url: String,
    prefix: String,
}

#[cfg(feature = "jetstream")]
impl Server {
    pub(crate) fn new() -> Option<Self> {
        use crate::support::{server, unique};
        server("DISPATCH_NATS_URL").map(|url| Self { url, prefix: unique("T") })
    }

    pub(crate) fn place(&self) -> Place {
        Place::Server { url: self.url.clone(), prefix: self.prefix.clone() }
    }

    async fn remove(&self) -> Result<(), Box<dyn std::error::Error>> {
        use futures_util::TryStreamExt as _;
        let context = async_nats::jetstream::new(async_nats::connect(&self.url).await?);
        let names: Vec<String> = context.stream_names().try_collect().await?;
        for name in names.iter().filter(|name| name.starts_with(&self.prefix)) {
            context.delete_stream(name).await?;
        }
        Ok(())
    }
}

#[cfg(feature = "jetstream")]
impl Drop for Server {
    fn drop(&mut self) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        if let Err(error) = runtime.block_on(self.remove()) {
            println!("streams with the prefix {} stay: {error}", self.prefix);
        }
    }
}
