//! The connection to the apiserver, in a pod or with a person's kubeconfig.

use std::{path::Path, time::Duration};

use http::{HeaderValue, header::USER_AGENT};
use kube::{
    Client, Config,
    config::{InferConfigError, KubeConfigOptions, Kubeconfig},
};

/// How long a connection or an answer that is not a watch may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    #[error("no cluster: {0}; set KUBECONFIG, or run in a pod with a ServiceAccount")]
    Infer(#[from] InferConfigError),
    #[error("the kubeconfig cannot be used: {0}")]
    Kubeconfig(#[from] kube::config::KubeconfigError),
    #[error("the client cannot be made: {0}")]
    Client(#[from] kube::Error),
}

/// A client, and the namespace that is meant where none is named. A context names one of the kubeconfig; else a pod's
/// own ServiceAccount counts, or the current context. Nothing is retried in here: the driver comes back.
///
/// # Errors
/// There is no kubeconfig and this is no pod, or what they say cannot be used.
pub async fn connect(context: Option<&str>) -> Result<(Client, String), ConnectError> {
    let config = config(None, context).await?;
    let namespace = config.default_namespace.clone();
    Ok((client(config)?, namespace))
}

/// What `kubeconfig`, or else the usual one, says of a context, or else of the current one.
///
/// # Errors
/// As [`connect`].
pub async fn config(kubeconfig: Option<&Path>, context: Option<&str>) -> Result<Config, ConnectError> {
    let options = KubeConfigOptions { context: context.map(str::to_owned), ..KubeConfigOptions::default() };
    Ok(match (kubeconfig, context) {
        (Some(file), _) => Config::from_custom_kubeconfig(Kubeconfig::read_from(file)?, &options).await?,
        (None, Some(_)) => Config::from_kubeconfig(&options).await?,
        (None, None) => Config::infer().await?,
    })
}

/// A client that names this program and gives up in time.
///
/// # Errors
/// Certificates or keys cannot be used.
pub fn client(mut config: Config) -> Result<Client, ConnectError> {
    config.connect_timeout = Some(PATIENCE);
    config.write_timeout = Some(PATIENCE);
    config.default_retry = false;
    config.headers.push((USER_AGENT, HeaderValue::from_static(concat!("forkable/", env!("CARGO_PKG_VERSION")))));
    Ok(Client::try_from(config)?)
}
