//! A process that is stopped at each of its system calls (ptrace(2)), and ended or refused at one of them.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;

use nix::sys::ptrace::{self, Options};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use rustix::io::Errno;

use crate::calls;
use crate::harness::{Outcome, exit_code};

/// What is done to a process at one of its calls.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fault {
    /// SIGKILL, before the kernel has looked at the call.
    Kill,
    /// The call is not made and fails; a close is made, as the kernel's is whatever it answers.
    Fail(Errno),
}

/// At which call, counted from 0, what is done; an error at the next one that can fail.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub at: usize,
    pub fault: Fault,
}

/// Which calls a process made while it was followed, by number; and whether the plan was carried out.
#[derive(Clone, Debug, Default)]
pub struct Followed {
    pub calls: Vec<u64>,
    pub injected: bool,
    ended: bool,
}

/// Whose calls are counted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Whose {
    /// The command's own.
    Command,
    /// Those of the first process that the command starts, from its exec on.
    Child,
}

/// Runs `command`, with its output in files of `directory`, and follows it or its child.
pub fn run(command: &Command, directory: &Path, whose: Whose, plan: Option<Plan>) -> (Followed, Outcome) {
    // It waits before its exec until we hold it: a child that asks to be traced could only do so by unsafe code.
    let mut held = Command::new("sh");
    held.args(["-c", r#"read -r go; exec "$0" "$@" </dev/null"#]).arg(command.get_program());
    // Cargo's libraries are none of ours, and the loader looks in all of them.
    held.args(command.get_args()).env_remove("LD_LIBRARY_PATH");
    let (out, log) = Outcome::files(directory);
    held.stdin(Stdio::piped()).stdout(File::create(&out).unwrap()).stderr(File::create(&log).unwrap());
    // Its end is waited for as a tracer's.
    #[allow(clippy::zombie_processes)]
    let mut child = held.spawn().unwrap();
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap());
    let forks = match whose {
        Whose::Command => Options::empty(),
        Whose::Child => {
            Options::PTRACE_O_TRACEFORK | Options::PTRACE_O_TRACEVFORK | Options::PTRACE_O_TRACECLONE
        }
    };
    ptrace::seize(pid, options() | Options::PTRACE_O_TRACEEXEC | forks).unwrap();
    child.stdin.take().unwrap().write_all(b"\n").unwrap();
    let comm = format!("/proc/{pid}/comm");
    loop {
        assert!(is_event(await_stop(pid), libc::PTRACE_EVENT_EXEC), "the command is executed");
        // The shell's own exec may not have been over yet.
        if std::fs::read_to_string(&comm).unwrap().trim_end() != "sh" {
            break;
        }
        ptrace::cont(pid, None).unwrap();
    }
    let (followed, code) = match whose {
        Whose::Command => {
            let followed = follow(pid, plan, &Mutex::new(true));
            let code = if followed.ended { CODE.take() } else { exit_code(pid.as_raw()) };
            (followed, code)
        }
        Whose::Child => {
            let child = let_go_of_parent(pid);
            follow_while(child, plan, || exit_code(pid.as_raw()))
        }
    };
    (followed, Outcome::read(code, out, log))
}

/// Follows the process `pid`, which lives already, while `trigger` is run; until it ends or the trigger has.
pub fn attach(pid: i32, plan: Option<Plan>, trigger: impl FnOnce() -> Outcome + Send) -> (Followed, Outcome) {
    let pid = Pid::from_raw(pid);
    ptrace::seize(pid, options()).unwrap();
    ptrace::interrupt(pid).unwrap();
    assert!(is_event(await_stop(pid), libc::PTRACE_EVENT_STOP), "the proxy stops");
    follow_while(pid, plan, trigger)
}

/// Follows a stopped process until it ends, or `work` does.
fn follow_while<T: Send>(pid: Pid, plan: Option<Plan>, work: impl FnOnce() -> T + Send) -> (Followed, T) {
    let traced = Mutex::new(true);
    let (followed, result) = std::thread::scope(|scope| {
        let work = scope.spawn(|| {
            let result = work();
            // The one signal that a proxy does not block, for us: it never gets it.
            if *traced.lock().unwrap() {
                let _ = kill(pid, Signal::SIGSTOP);
            }
            result
        });
        let followed = follow(pid, plan, &traced);
        (followed, work.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    });
    if !followed.ended {
        // It may have been sent while we let go.
        let _ = kill(pid, Signal::SIGCONT);
    }
    (followed, result)
}

std::thread_local! {
    /// How the last process that was followed to its end ended: its exit code, or 128 and the signal.
    static CODE: std::cell::Cell<i32> = const { std::cell::Cell::new(0) };
}

fn options() -> Options {
    Options::PTRACE_O_TRACESYSGOOD | Options::PTRACE_O_EXITKILL
}

/// Goes on with a command up to its first child; that is stopped in its exec.
fn let_go_of_parent(parent: Pid) -> Pid {
    let child = loop {
        ptrace::cont(parent, None).unwrap();
        match await_stop(parent) {
            WaitStatus::PtraceEvent(..) => break ptrace::getevent(parent).unwrap(),
            WaitStatus::Stopped(..) => {}
            other => panic!("the command started no process: {other:?}"),
        }
    };
    let child = Pid::from_raw(i32::try_from(child).unwrap());
    assert!(is_event(await_stop(child), libc::PTRACE_EVENT_STOP), "the child stops");
    ptrace::detach(parent, None).unwrap();
    ptrace::cont(child, None).unwrap();
    assert!(is_event(await_stop(child), libc::PTRACE_EVENT_EXEC), "the child is executed");
    child
}

/// Counts the calls of a process that is stopped outside of one, or in its exec.
fn follow(pid: Pid, plan: Option<Plan>, traced: &Mutex<bool>) -> Followed {
    let mut followed = Followed::default();
    let mut signal = None;
    let mut in_call = None;
    loop {
        ptrace::syscall(pid, signal.take()).unwrap();
        match await_stop(pid) {
            // The exec that we came from ends.
            WaitStatus::PtraceSyscall(_) if in_call.is_none() && is_exit_of_exec(pid, &followed) => {
                in_call = Some(false);
            }
            WaitStatus::PtraceSyscall(_) if in_call == Some(true) => in_call = Some(false),
            WaitStatus::PtraceSyscall(_) => {
                in_call = Some(true);
                let index = followed.calls.len();
                let call = ptrace::getregs(pid).unwrap().orig_rax;
                followed.calls.push(call);
                // The allocator's calls come and go with the addresses of a run, and so shift the others.
                let takes = |plan: &Plan| plan.fault == Fault::Kill || calls::fallible(call).is_some();
                if let Some(plan) = plan.filter(|plan| plan.at <= index && takes(plan)) {
                    *traced.lock().unwrap() = false;
                    followed.ended = inject(pid, plan.fault);
                    followed.injected = true;
                    return followed;
                }
            }
            WaitStatus::Stopped(_, Signal::SIGSTOP) => {
                *traced.lock().unwrap() = false;
                ptrace::detach(pid, None).unwrap();
                return followed;
            }
            WaitStatus::Stopped(_, other) => signal = Some(other),
            WaitStatus::Exited(..) | WaitStatus::Signaled(..) => {
                *traced.lock().unwrap() = false;
                followed.ended = true;
                return followed;
            }
            _ => {}
        }
    }
}

/// At the exit of a call the kernel has put its answer where the entry has `-ENOSYS`.
fn is_exit_of_exec(pid: Pid, followed: &Followed) -> bool {
    let regs = ptrace::getregs(pid).unwrap();
    let pending = u64::from_ne_bytes((-i64::from(libc::ENOSYS)).to_ne_bytes());
    followed.calls.is_empty() && regs.rax != pending
}

/// Whether the process has ended by it; else it is let go.
fn inject(pid: Pid, fault: Fault) -> bool {
    match fault {
        Fault::Kill => {
            kill(pid, Signal::SIGKILL).unwrap();
            while !matches!(await_stop(pid), WaitStatus::Signaled(..) | WaitStatus::Exited(..)) {}
            true
        }
        Fault::Fail(errno) => {
            let mut regs = ptrace::getregs(pid).unwrap();
            if !calls::is_made_whatever_it_answers(regs.orig_rax) {
                regs.orig_rax = u64::MAX;
                ptrace::setregs(pid, regs).unwrap();
            }
            ptrace::syscall(pid, None).unwrap();
            assert!(matches!(await_stop(pid), WaitStatus::PtraceSyscall(_)), "the call ends");
            let mut regs = ptrace::getregs(pid).unwrap();
            regs.rax = u64::from_ne_bytes((-i64::from(errno.raw_os_error())).to_ne_bytes());
            ptrace::setregs(pid, regs).unwrap();
            ptrace::detach(pid, None).unwrap();
            false
        }
    }
}

fn await_stop(pid: Pid) -> WaitStatus {
    let status = waitpid(pid, Some(WaitPidFlag::__WALL)).unwrap();
    match status {
        WaitStatus::Exited(_, code) => CODE.set(code),
        WaitStatus::Signaled(_, signal, _) => CODE.set(128 + signal as i32),
        _ => {}
    }
    status
}

fn is_event(status: WaitStatus, event: i32) -> bool {
    matches!(status, WaitStatus::PtraceEvent(_, _, seen) if seen == event)
}
