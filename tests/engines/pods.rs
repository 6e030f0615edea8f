//! Pods of Kubernetes: what a kubelet asks of containerd, from RunPodSandbox to RemovePodSandbox.

use serde_json::json;

use crate::harness::{Cri, EXITED, NOT_READY, Pod, READY, RUNNING, cri, documented_labels, eventually};

#[test]
fn a_pod_lives_from_its_sandbox_to_its_removal() {
    let Some(cri) = cri() else { return };
    let machine = cri.machine();
    let pod = Pod::named("one");
    let sandbox = cri.pod(&pod);
    // A sandbox that takes nothing, although it is told of the processor.
    assert_eq!((cri.pod_state(&sandbox), machine.processor().as_str()), (READY, "offline"));
    assert_eq!(machine.stored(), [""; 0]);
    let proxy = cri.pid("pod-status", &sandbox);
    assert_eq!(machine.process_name(proxy).as_deref(), Some("rproc:running"));
    let container = cri.create(&sandbox, &pod, 0);
    // containerd has the runtime create it with its start.
    assert_eq!(machine.processor(), "offline");
    cri.ask(&["start", &container]).ok();
    assert_eq!((cri.container_state(&container), machine.processor().as_str()), (RUNNING, "running"));
    let booted = format!("stderr: remoteproc-runtime: m4: booted {}\n", machine.stored().join(" "));
    cri.await_log(&container, &booted);
    cri.await_log(&container, "stdout: blink 1.0 on cortex-m4: hello\n");
    cri.ask(&["stop", &container]).ok();
    assert_eq!((cri.ended(&container), machine.processor().as_str()), (0, "offline"));
    cri.await_log(&container, "stderr: remoteproc-runtime: m4: stopped\n");
    cri.ask(&["remove", &container]).ok();
    assert_eq!(machine.stored(), [""; 0]);
    cri.ask(&["stop-pod", &sandbox]).ok();
    assert!(cri.pod_state(&sandbox) == NOT_READY && machine.is_gone(proxy));
    cri.ask(&["remove-pod", &sandbox]).ok();
    cri.assert_clean();
}

#[test]
fn a_pod_that_is_stopped_stops_its_firmware() {
    let Some(cri) = cri() else { return };
    let (sandbox, container) = cri.running(&Pod::named("one"));
    // Without a word to the container first.
    cri.ask(&["stop-pod", &sandbox]).ok();
    assert_eq!((cri.container_state(&container), cri.machine().processor().as_str()), (EXITED, "offline"));
    cri.ask(&["remove-pod", &sandbox]).ok();
    cri.assert_clean();
}

#[test]
fn a_crash_ends_it_with_1_and_a_second_attempt_in_the_same_pod_runs() {
    let Some(cri) = cri() else { return };
    let machine = cri.machine();
    machine.without_recovery();
    let pod = Pod::named("one");
    let (sandbox, first) = cri.running(&pod);
    machine.crash();
    assert_eq!(cri.ended(&first), 1);
    cri.await_log(&first, "stderr: remoteproc-runtime: m4: ended: crashed");
    assert_eq!(cri.pod_state(&sandbox), READY);
    // A kubelet keeps what has ended, for its log.
    let second = cri.create(&sandbox, &pod, 1);
    cri.ask(&["start", &second]).ok();
    assert_eq!((cri.container_state(&second), machine.processor().as_str()), (RUNNING, "running"));
    cri.remove(&sandbox, &[&first, &second]);
    cri.assert_clean();
}

#[test]
fn a_recovery_is_no_restart() {
    let Some(cri) = cri() else { return };
    let (sandbox, container) = cri.running(&Pod::named("one"));
    cri.machine().crash();
    cri.await_log(&container, "m4: recovered");
    assert_eq!((cri.container_state(&container), cri.machine().processor().as_str()), (RUNNING, "running"));
    cri.remove(&sandbox, &[&container]);
    cri.assert_clean();
}

#[test]
fn a_killed_sandbox_leaves_the_firmware_running_until_its_pod_is_ended() {
    let Some(cri) = cri() else { return };
    let machine = cri.machine();
    let pod = Pod::named("one");
    let (sandbox, container) = cri.running(&pod);
    machine.kill(cri.pid("pod-status", &sandbox));
    eventually("the pod is not ready", || cri.pod_state(&sandbox) == NOT_READY);
    assert_eq!((cri.container_state(&container), machine.processor().as_str()), (RUNNING, "running"));
    // What a kubelet does then, before it makes the pod anew.
    cri.remove(&sandbox, &[&container]);
    cri.assert_clean();
    let (sandbox, container) = cri.running(&pod);
    cri.remove(&sandbox, &[&container]);
    cri.assert_clean();
}

#[test]
fn a_killed_proxy_ends_its_container_with_137() {
    let Some(cri) = cri() else { return };
    let (sandbox, container) = cri.running(&Pod::named("one"));
    cri.machine().kill(cri.pid("status", &container));
    assert_eq!((cri.ended(&container), cri.pod_state(&sandbox)), (137, READY));
    cri.remove(&sandbox, &[&container]);
    cri.assert_clean();
}

/// The devices and addresses of the machine's own network.
fn own_network(cri: &Cri) -> String {
    cri.machine().shell("ip -br address; ip route").ok()
}

#[test]
fn a_pods_network_is_its_own() {
    let Some(cri) = cri() else { return };
    let machine = cri.machine();
    let (sandbox, container) = cri.running(&Pod::named("one"));
    let (proxy, firmware) = (cri.pid("pod-status", &sandbox), cri.pid("status", &container));
    // One namespace, two containers, and one end of a pair of interfaces.
    assert_eq!(cri.left().len(), 4, "{:?}", cri.left());
    let pods = machine.network_of(proxy);
    assert_eq!(machine.network_of(firmware), pods);
    assert_ne!(pods, machine.network_of(1));
    let address = cri.pod_status(&sandbox)["network"]["ip"].as_str().unwrap().to_owned();
    let inside = machine.shell(&format!("nsenter --net=/proc/{proxy}/ns/net ip -br address show eth0")).ok();
    assert!(inside.contains(&format!("{address}/24")), "{address}: {inside}");
    // It is there for as long as the pod is, whatever becomes of the firmware.
    cri.ask(&["stop", &container]).ok();
    assert_eq!((machine.is_gone(firmware), machine.network_of(proxy)), (true, pods));
    cri.remove(&sandbox, &[&container]);
    cri.assert_clean();
}

#[test]
fn a_pod_in_the_hosts_network_leaves_that_as_it_is() {
    let Some(cri) = cri() else { return };
    let machine = cri.machine();
    let before = own_network(&cri);
    let pod = Pod { host_network: true, ..Pod::named("one") };
    let (sandbox, container) = cri.running(&pod);
    for pid in [cri.pid("pod-status", &sandbox), cri.pid("status", &container)] {
        assert_eq!(machine.network_of(pid), machine.network_of(1));
    }
    assert_eq!(own_network(&cri), before);
    cri.remove(&sandbox, &[&container]);
    assert_eq!(own_network(&cri), before);
    cri.assert_clean();
}

#[test]
fn of_two_pods_on_one_processor_the_second_is_refused_with_the_reason() {
    let Some(cri) = cri() else { return };
    let machine = cri.machine();
    let (first, container) = cri.running(&Pod::named("one"));
    let owner = cri.pid("status", &container);
    let two = Pod::named("two");
    // Its sandbox is none of the processor's.
    let second = cri.pod(&two);
    let refused = cri.create(&second, &two, 0);
    let words = format!("processor m4: it is owned by container {container} (pid {owner})");
    cri.ask(&["start", &refused]).refused(&[&words]);
    assert_eq!(cri.container_state(&refused), EXITED);
    assert_eq!((cri.pid("status", &container), machine.processor().as_str()), (owner, "running"));
    // Once the first is gone, a further attempt runs.
    cri.remove(&first, &[&container]);
    let retried = cri.create(&second, &two, 1);
    cri.ask(&["start", &retried]).ok();
    assert_eq!(machine.processor(), "running");
    cri.remove(&second, &[&refused, &retried]);
    cri.assert_clean();
}

#[test]
fn what_a_pod_lacks_is_said_at_its_container() {
    let Some(cri) = cri() else { return };
    let pods = [
        (Pod { annotations: &[], ..Pod::named("one") }, "annotations.remoteproc.name: missing"),
        (
            Pod { annotations: &[("remoteproc.name", "dsp")], ..Pod::named("two") },
            "no processor of this name",
        ),
    ];
    for (pod, words) in pods {
        let sandbox = cri.pod(&pod);
        assert_eq!(cri.pod_state(&sandbox), READY);
        let container = cri.create(&sandbox, &pod, 0);
        cri.ask(&["start", &container]).refused(&[words]);
        cri.remove(&sandbox, &[&container]);
    }
    cri.assert_clean();
}

#[test]
fn a_handler_that_is_not_configured_is_named() {
    let Some(cri) = cri() else { return };
    cri.ask(&["run-pod", "other", r#"{"name":"one","logs":"/tmp","host_network":true,"annotations":{}}"#])
        .refused(&["no runtime for \"other\" is configured"]);
}

#[test]
fn a_start_that_the_kernel_refuses_fails_with_the_kernels_reason() {
    let Some(cri) = cri() else { return };
    cri.machine().write("board/remoteproc0/start-error", "EIO");
    let pod = Pod::named("one");
    let sandbox = cri.pod(&pod);
    let container = cri.create(&sandbox, &pod, 0);
    cri.ask(&["start", &container]).refused(&["processor m4", "(EIO)", "can't start rproc m4: -5"]);
    cri.remove(&sandbox, &[&container]);
    cri.assert_clean();
}

#[test]
fn the_documents_manifests_choose_nodes_by_labels_that_this_board_has() {
    let Some(cri) = cri() else { return };
    let runtime = format!("{}/remoteproc-runtime", cri.machine().scratch().display());
    let labels = cri.machine().shell(&format!("{runtime} processors --format nfd")).ok();
    let (labels, asked): (Vec<&str>, _) = (labels.lines().collect(), documented_labels());
    assert_eq!(asked.len(), 2, "{asked:?}");
    for label in &asked {
        assert!(labels.contains(&label.as_str()), "{label} is not in {labels:?}");
    }
}

#[test]
fn pods_outlive_the_engine() {
    let Some(cri) = cri() else { return };
    let (sandbox, container) = cri.running(&Pod::named("one"));
    let pids = (cri.pid("pod-status", &sandbox), cri.pid("status", &container));
    cri.restart();
    assert_eq!((cri.pod_state(&sandbox), cri.container_state(&container)), (READY, RUNNING));
    assert_eq!((cri.pid("pod-status", &sandbox), cri.pid("status", &container)), pids);
    assert_eq!(cri.answer(&["containers"])["containers"][0]["id"], json!(container));
    cri.remove(&sandbox, &[&container]);
    cri.assert_clean();
}
