//! containerd's own CRI plugin, asked as a kubelet does: pods, by the program tests/engines/cri.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use super::podman::path;
use super::{Machine, Outcome, eventually, machine, settings};

/// Has the configuration of the runtime, one for each version of containerd's configuration.
const DOCUMENT: &str = include_str!("../../../docs/kubernetes.md");

/// The bridge of pods with a network of their own, by the plugins that kubelets use (CNI).
const BRIDGE: &str = r#"{
  "cniVersion": "0.4.0",
  "name": "pods",
  "plugins": [
    { "type": "bridge", "bridge": "pods0", "isGateway": true,
      "ipam": { "type": "host-local", "subnet": "10.88.7.0/24", "dataDir": "SCRATCH/addresses" } }
  ]
}"#;

/// containerd as the container engine of a Kubernetes node.
#[derive(Debug)]
pub struct Cri {
    machine: Machine,
}

/// A pod on processor m4, in its own network.
#[derive(Clone, Copy, Debug)]
pub struct Pod<'a> {
    pub name: &'a str,
    pub host_network: bool,
    /// Its annotations.
    pub annotations: &'a [(&'a str, &'a str)],
}

impl<'a> Pod<'a> {
    pub fn named(name: &'a str) -> Self {
        Self { name, host_network: false, annotations: &[("remoteproc.name", "m4")] }
    }
}

/// How a container of a pod is (CRI, `ContainerState`).
pub const RUNNING: i64 = 1;
pub const EXITED: i64 = 2;

/// How a pod is (CRI, `PodSandboxState`).
pub const READY: i64 = 0;
pub const NOT_READY: i64 = 1;

/// containerd in a machine of its own, or nothing where another engine is played with.
pub fn cri() -> Option<Cri> {
    if settings().engine.split('-').next() == Some("containerd") {
        return Some(Cri::new(Machine::new()));
    }
    println!("skipped: of these engines, containerd alone has pods of Kubernetes");
    None
}

impl Cri {
    fn new(machine: Machine) -> Self {
        machine::wrap(&machine);
        let cri = Self { machine };
        cri.write("containerd.toml", &cri.settings());
        std::fs::create_dir(cri.place("networks")).unwrap();
        cri.write(
            "networks/pods.conflist",
            &BRIDGE.replace("SCRATCH", cri.machine.scratch().to_str().unwrap()),
        );
        cri.begin();
        for image in ["blink", "bare", "pause"] {
            cri.ctr(&["image", "import", path(image).to_str().unwrap()]).ok();
        }
        cri
    }

    pub fn machine(&self) -> &Machine {
        &self.machine
    }

    fn place(&self, name: &str) -> PathBuf {
        self.machine.scratch().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.place(name), text).unwrap();
    }

    /// The document's block for this containerd, and what keeps the test to its own folder.
    fn settings(&self) -> String {
        let version = self.machine.run(self.machine.command("containerd"), &["--version"]).ok();
        // `containerd github.com/containerd/containerd 1.6.20~ds1 ..`
        let mut words = version.split_whitespace().filter_map(|word| word.split_once('.'));
        let major = words.find_map(|(major, _)| major.trim_start_matches('v').parse::<u32>().ok());
        let (number, images, runtime, bin_dirs) = match major.unwrap() {
            1 => (2, "io.containerd.grpc.v1.cri", "io.containerd.grpc.v1.cri", "bin_dir = \"CNI\""),
            _ => (3, "io.containerd.cri.v1.images", "io.containerd.cri.v1.runtime", "bin_dirs = [\"CNI\"]"),
        };
        let pause = "localhost/pause:latest";
        let pause = match number {
            2 => format!("[plugins.\"{images}\"]\nsandbox_image = \"{pause}\""),
            _ => format!("[plugins.\"{images}\".pinned_images]\nsandbox = \"{pause}\""),
        };
        let scratch = self.machine.scratch().display();
        let bin_dirs = bin_dirs.replace("CNI", settings().files.join("cni").to_str().unwrap());
        format!(
            r#"root = "{scratch}/root"
state = "{scratch}/state"
{}
[grpc]
address = "{scratch}/containerd.sock"

[plugins."io.containerd.internal.v1.opt"]
path = "{scratch}/opt"

{pause}

[plugins."{runtime}".cni]
{bin_dirs}
conf_dir = "{scratch}/networks"
"#,
            documented(number).replace("/usr/bin/remoteproc-runtime", &machine::wrapper(&self.machine)),
        )
    }

    fn begin(&self) {
        let settings = self.place("containerd.toml");
        self.machine.spawn("containerd", &["--config", settings.to_str().unwrap()], "containerd.log");
        eventually("containerd's CRI plugin answers", || {
            let asked = self.ask(&["pods"]);
            if asked.stderr.contains("unknown service") {
                panic!("{}", std::fs::read_to_string(self.place("containerd.log")).unwrap());
            }
            asked.code == 0
        });
    }

    /// The engine is killed and started anew.
    pub fn restart(&self) {
        let pid = self.machine.shell("pgrep -x containerd").ok().parse().unwrap();
        self.machine.kill(pid);
        self.begin();
    }

    fn ctr(&self, args: &[&str]) -> Outcome {
        let mut command = self.machine.command("ctr");
        command.arg("--address").arg(self.place("containerd.sock")).args(["--namespace", "k8s.io"]);
        self.machine.run(command, args)
    }

    /// Asks one thing of containerd.
    pub fn ask(&self, request: &[&str]) -> Outcome {
        let mut client = Command::new(settings().files.join("cri"));
        client.arg(self.place("containerd.sock")).args(request);
        Outcome::of(client, self.machine.scratch())
    }

    /// The same, and it succeeds; its answer.
    #[track_caller]
    pub fn answer(&self, request: &[&str]) -> Value {
        serde_json::from_str(&self.ask(request).ok()).unwrap()
    }

    fn pod_text(&self, pod: &Pod) -> String {
        let annotations: serde_json::Map<String, Value> =
            pod.annotations.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        json!({
            "name": pod.name,
            "logs": self.place("pods").join(pod.name),
            "host_network": pod.host_network,
            "annotations": annotations,
        })
        .to_string()
    }

    /// Has a pod's sandbox made and started, by the handler of the document's RuntimeClass; its id.
    #[track_caller]
    pub fn pod(&self, pod: &Pod) -> String {
        let (_, rest) = DOCUMENT.split_once("\nhandler: ").expect("docs/kubernetes.md has a RuntimeClass");
        let handler = rest.lines().next().unwrap();
        id(&self.ask(&["run-pod", handler, &self.pod_text(pod)]).ok(), "pod_sandbox_id")
    }

    /// Has the pod's container made, for the `attempt`-th time; its id.
    #[track_caller]
    pub fn create(&self, sandbox: &str, pod: &Pod, attempt: u32) -> String {
        let (attempt, pod) = (attempt.to_string(), self.pod_text(pod));
        // As a kubelet does before.
        std::fs::create_dir_all(self.log_folder(&pod)).unwrap();
        let image = "localhost/blink:latest";
        id(&self.ask(&["create", sandbox, &pod, "firmware", &attempt, image]).ok(), "container_id")
    }

    fn log_folder(&self, pod: &str) -> PathBuf {
        let pod: Value = serde_json::from_str(pod).unwrap();
        Path::new(pod["logs"].as_str().unwrap()).join("firmware")
    }

    /// A pod whose container runs blink; the ids of both.
    #[track_caller]
    pub fn running(&self, pod: &Pod) -> (String, String) {
        let sandbox = self.pod(pod);
        let container = self.create(&sandbox, pod, 0);
        self.ask(&["start", &container]).ok();
        assert_eq!(
            (self.container_state(&container), self.machine.processor().as_str()),
            (RUNNING, "running")
        );
        (sandbox, container)
    }

    pub fn container(&self, id: &str) -> Value {
        self.answer(&["status", id])["status"].clone()
    }

    pub fn container_state(&self, id: &str) -> i64 {
        self.container(id)["state"].as_i64().unwrap()
    }

    /// Waits until a container has ended; its exit code.
    #[track_caller]
    pub fn ended(&self, id: &str) -> i64 {
        eventually("the container has ended", || self.container_state(id) == EXITED);
        self.container(id)["exit_code"].as_i64().unwrap()
    }

    pub fn pod_status(&self, id: &str) -> Value {
        self.answer(&["pod-status", id])["status"].clone()
    }

    pub fn pod_state(&self, id: &str) -> i64 {
        self.pod_status(id)["state"].as_i64().unwrap()
    }

    /// The process of a pod's sandbox (`pod-status`) or of a container (`status`).
    #[track_caller]
    pub fn pid(&self, request: &str, id: &str) -> i32 {
        let info: Value =
            serde_json::from_str(self.answer(&[request, id])["info"]["info"].as_str().unwrap()).unwrap();
        info["pid"].as_i64().unwrap().try_into().unwrap()
    }

    /// What a container wrote, as kubectl logs shows it, with the stream before each line.
    #[track_caller]
    pub fn log(&self, id: &str) -> String {
        let path = self.container(id)["log_path"].as_str().unwrap().to_owned();
        let text = std::fs::read_to_string(path).unwrap();
        let lines = text.lines().map(|line| {
            let mut words = line.splitn(4, ' ').skip(1);
            let (stream, whole, said) = (words.next().unwrap(), words.next(), words.next().unwrap());
            assert_eq!(whole, Some("F"), "{line}");
            format!("{stream}: {said}\n")
        });
        lines.collect()
    }

    #[track_caller]
    pub fn await_log(&self, id: &str, words: &str) {
        eventually(&format!("the log has {words:?}"), || self.log(id).contains(words));
    }

    /// Ends a pod and removes it, as kubelets do.
    #[track_caller]
    pub fn remove(&self, sandbox: &str, containers: &[&str]) {
        for container in containers {
            self.ask(&["stop", container]).ok();
            self.ask(&["remove", container]).ok();
        }
        self.ask(&["stop-pod", sandbox]).ok();
        self.ask(&["remove-pod", sandbox]).ok();
    }

    /// Nothing is left of any pod: no container, no process, no firmware, no state, no network.
    #[track_caller]
    pub fn assert_clean(&self) {
        assert_eq!(self.answer(&["pods"])["items"], json!([]));
        assert_eq!(self.answer(&["containers"])["containers"], json!([]));
        self.machine.assert_clean();
        assert_eq!(self.left(), [""; 0]);
    }

    /// Network namespaces, the runtime's states and the interfaces of pods.
    pub fn left(&self) -> Vec<String> {
        let look = "ls /run/netns; ls /run/containerd/runc/k8s.io; ip -oneline link show type veth";
        self.machine.shell(look).stdout.lines().map(str::to_owned).collect()
    }
}

fn id(answer: &str, name: &str) -> String {
    let answer: Value = serde_json::from_str(answer).unwrap();
    answer[name].as_str().unwrap().to_owned()
}

/// The labels by which the document's manifests choose a node, as `NAME=VALUE`.
pub fn documented_labels() -> Vec<String> {
    let blocks = DOCUMENT.split("```yaml\n").skip(1).filter_map(|block| block.split("```").next());
    let lines = blocks.flat_map(str::lines).map(str::trim);
    let labels = lines.filter(|line| line.starts_with("feature.node.kubernetes.io/"));
    labels.map(|label| label.replace(": ", "=").replace('"', "")).collect()
}

/// The block of docs/kubernetes.md that begins with this version.
fn documented(version: u32) -> String {
    let begin = format!("```toml\nversion = {version}\n");
    let (_, rest) = DOCUMENT.split_once(&begin).expect("docs/kubernetes.md has a block of this version");
    let (block, _) = rest.split_once("```").unwrap();
    format!("version = {version}\n{block}")
}
