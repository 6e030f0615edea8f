//! What a proxy holds and does while its firmware runs.

use std::process::{Command, Stdio};
use std::time::Duration;

use crate::Outcome;
use crate::machine::{Machine, Programs};
use crate::measure::Spread;

/// How long an idle proxy is watched.
const IDLE: Duration = Duration::from_secs(10);

/// How many proxies the memory is taken of: the kernel begins each stack at another offset in its page.
const PROXIES: usize = 15;

pub fn report(programs: &Programs) -> Outcome {
    println!("\nthe resident proxy, its firmware running: memory of {PROXIES} of them in kB: min median max");
    for (name, kmsg) in KMSG {
        let machine = Machine::simulated(programs)?;
        machine.write("board/kmsg", kmsg)?;
        let mut memory = [const { Vec::new() }; 3];
        for _ in 0..PROXIES {
            let pid = running(&machine)?;
            for (figures, field) in memory.iter_mut().zip(["Rss:", "Pss:", "Private_Dirty:"]) {
                figures.push(number(pid, "smaps_rollup", field)? as f64);
            }
            end(&machine, pid)?;
        }
        for (figures, what) in memory.into_iter().zip(["RSS", "PSS", "private dirty"]) {
            println!("{:24} {}", format!("{name}, {what}"), Spread::of(figures)?);
        }
    }
    println!("and watched for {} s", IDLE.as_secs());
    println!("{:14} {:>8} {:>5} {:>9} {:>13}", "", "threads", "fds", "switches", "system calls");
    for (name, kmsg) in KMSG {
        let machine = Machine::simulated(programs)?;
        machine.write("board/kmsg", kmsg)?;
        let pid = running(&machine)?;
        let begin = switches(pid)?;
        std::thread::sleep(IDLE);
        let switched = switches(pid)? - begin;
        let calls = system_calls(pid)?;
        println!(
            "{name:14} {:8} {:5} {switched:9} {:>13}",
            number(pid, "status", "Threads:")?,
            std::fs::read_dir(format!("/proc/{pid}/fd"))?.count(),
            calls.map_or_else(|| "no strace".to_owned(), |calls| calls.to_string()),
        );
        end(&machine, pid)?;
    }
    Ok(())
}

const KMSG: [(&str, &str); 2] = [("with kmsg", "on"), ("without kmsg", "off")];

fn running(machine: &Machine<'_>) -> Outcome<i32> {
    let pid = machine.create("x")?;
    machine.run(&["start", "x"])?;
    Ok(pid)
}

fn end(machine: &Machine<'_>, pid: i32) -> Outcome {
    machine.run(&["kill", "x"])?;
    machine.run(&["delete", "x"])?;
    machine.reap(pid)
}

/// A number of /proc/PID/FILE.
fn number(pid: i32, file: &str, name: &str) -> Outcome<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/{file}"))?;
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|rest| rest.split_whitespace().next()).ok_or_else(|| format!("no {name}"))?;
    Ok(number.parse()?)
}

fn switches(pid: i32) -> Outcome<u64> {
    Ok(number(pid, "status", "voluntary_ctxt_switches:")?
        + number(pid, "status", "nonvoluntary_ctxt_switches:")?)
}

/// System calls while idle, by strace(1) where it is installed.
fn system_calls(pid: i32) -> Outcome<Option<usize>> {
    let trace = tempfile::NamedTempFile::new()?;
    let mut command = Command::new("strace");
    command.args(["-f", "-qq", "-p", &pid.to_string(), "-o"]).arg(trace.path()).stderr(Stdio::null());
    let Ok(mut strace) = command.spawn() else { return Ok(None) };
    std::thread::sleep(IDLE);
    let tracer = rustix::process::Pid::from_child(&strace);
    rustix::process::kill_process(tracer, rustix::process::Signal::INT)?;
    strace.wait()?;
    let text = std::fs::read_to_string(trace.path())?;
    // The call that it waited in at first, and that it waits in at last, are one between them.
    Ok(Some(text.lines().filter(|line| !line.contains("resumed>")).count()))
}
