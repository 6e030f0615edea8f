//! What a kubelet asks of containerd (CRI v1), one request at a time, with the answer as JSON.
//!
//! ```text
//! cri SOCKET run-pod HANDLER POD                          pod-status ID | stop-pod ID | remove-pod ID
//! cri SOCKET create SANDBOX POD NAME ATTEMPT IMAGE        start ID | status ID | stop ID | remove ID
//! cri SOCKET pods                                         containers
//! ```
//!
//! POD is JSON: `{"name", "logs": DIRECTORY, "host_network": BOOL, "annotations": {..}}`.

use std::collections::HashMap;
use std::process::ExitCode;
use std::time::Duration;

use k8s_cri::v1::runtime_service_client::RuntimeServiceClient;
use k8s_cri::v1::*;
use serde::{Deserialize, Serialize};
use tonic::transport::{Channel, Endpoint};
use tonic::{Response, Status};

/// How long a request may take: kubelets give most of them two minutes.
const LIMIT: Duration = Duration::from_secs(60);

/// Seconds that a container has to stop before it is killed: more than a firmware has.
const GRACE: i64 = 20;

#[derive(Deserialize)]
struct Pod {
    name: String,
    logs: String,
    host_network: bool,
    annotations: HashMap<String, String>,
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    match runtime.block_on(ask(&words)) {
        Ok(answer) => {
            println!("{answer}");
            ExitCode::SUCCESS
        }
        Err(problem) => {
            eprintln!("{problem}");
            ExitCode::FAILURE
        }
    }
}

async fn ask(words: &[&str]) -> Result<String, String> {
    let [socket, request @ ..] = words else { return Err("no socket".to_owned()) };
    let endpoint = Endpoint::from_shared(format!("unix://{socket}")).map_err(|e| e.to_string())?;
    let channel = endpoint.timeout(LIMIT).connect().await.map_err(|e| format!("{socket}: {e:?}"))?;
    let mut cri = RuntimeServiceClient::new(channel);
    match *request {
        ["run-pod", handler, pod] => {
            let config = Some(pod_config(&parse(pod)?));
            let runtime_handler = handler.to_owned();
            answer(cri.run_pod_sandbox(RunPodSandboxRequest { config, runtime_handler }).await)
        }
        ["pod-status", id] => {
            let request = PodSandboxStatusRequest { pod_sandbox_id: id.to_owned(), verbose: true };
            answer(cri.pod_sandbox_status(request).await)
        }
        ["stop-pod", id] => {
            answer(cri.stop_pod_sandbox(StopPodSandboxRequest { pod_sandbox_id: id.to_owned() }).await)
        }
        ["remove-pod", id] => {
            answer(cri.remove_pod_sandbox(RemovePodSandboxRequest { pod_sandbox_id: id.to_owned() }).await)
        }
        ["create", sandbox, pod, name, attempt, image] => {
            create(&mut cri, sandbox, &parse(pod)?, name, attempt, image).await
        }
        ["start", id] => {
            answer(cri.start_container(StartContainerRequest { container_id: id.to_owned() }).await)
        }
        ["status", id] => {
            let request = ContainerStatusRequest { container_id: id.to_owned(), verbose: true };
            answer(cri.container_status(request).await)
        }
        ["stop", id] => {
            let request = StopContainerRequest { container_id: id.to_owned(), timeout: GRACE };
            answer(cri.stop_container(request).await)
        }
        ["remove", id] => {
            answer(cri.remove_container(RemoveContainerRequest { container_id: id.to_owned() }).await)
        }
        ["pods"] => answer(cri.list_pod_sandbox(ListPodSandboxRequest::default()).await),
        ["containers"] => answer(cri.list_containers(ListContainersRequest::default()).await),
        _ => Err(format!("no request: {request:?}")),
    }
}

fn parse(pod: &str) -> Result<Pod, String> {
    serde_json::from_str(pod).map_err(|e| format!("{pod}: {e}"))
}

fn answer<T: Serialize>(response: Result<Response<T>, Status>) -> Result<String, String> {
    let message = response.map_err(|status| status.message().to_owned())?.into_inner();
    serde_json::to_string(&message).map_err(|e| e.to_string())
}

/// The namespaces that a kubelet asks for, unless a pod wants to share more of them.
fn namespaces(pod: &Pod) -> NamespaceOption {
    let network = if pod.host_network { NamespaceMode::Node } else { NamespaceMode::Pod };
    NamespaceOption {
        network: network.into(),
        pid: NamespaceMode::Container.into(),
        ipc: NamespaceMode::Pod.into(),
        ..Default::default()
    }
}

fn pod_config(pod: &Pod) -> PodSandboxConfig {
    let uid = format!("{}-uid", pod.name);
    let labels = [("name", &pod.name), ("namespace", &"default".to_owned()), ("uid", &uid)];
    PodSandboxConfig {
        metadata: Some(PodSandboxMetadata {
            name: pod.name.clone(),
            uid: uid.clone(),
            namespace: "default".to_owned(),
            attempt: 0,
        }),
        hostname: if pod.host_network { String::new() } else { pod.name.clone() },
        log_directory: pod.logs.clone(),
        labels: labels.map(|(name, value)| (format!("io.kubernetes.pod.{name}"), value.clone())).into(),
        annotations: pod.annotations.clone(),
        linux: Some(LinuxPodSandboxConfig {
            security_context: Some(LinuxSandboxSecurityContext {
                namespace_options: Some(namespaces(pod)),
                ..Default::default()
            }),
            ..Default::default()
        }),
        ..Default::default()
    }
}

async fn create(
    cri: &mut RuntimeServiceClient<Channel>,
    sandbox: &str,
    pod: &Pod,
    name: &str,
    attempt: &str,
    image: &str,
) -> Result<String, String> {
    let attempt: u32 = attempt.parse().map_err(|_| format!("{attempt}: no number"))?;
    let config = ContainerConfig {
        metadata: Some(ContainerMetadata { name: name.to_owned(), attempt }),
        image: Some(ImageSpec { image: image.to_owned(), ..Default::default() }),
        log_path: format!("{name}/{attempt}.log"),
        labels: [("io.kubernetes.container.name".to_owned(), name.to_owned())].into(),
        linux: Some(LinuxContainerConfig {
            // What a pod without requests gets.
            resources: Some(LinuxContainerResources {
                cpu_shares: 2,
                oom_score_adj: 1000,
                ..Default::default()
            }),
            security_context: Some(LinuxContainerSecurityContext {
                namespace_options: Some(namespaces(pod)),
                ..Default::default()
            }),
        }),
        ..Default::default()
    };
    let request = CreateContainerRequest {
        pod_sandbox_id: sandbox.to_owned(),
        config: Some(config),
        sandbox_config: Some(pod_config(pod)),
    };
    answer(cri.create_container(request).await)
}
