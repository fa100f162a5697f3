//! Filters that stay with the runtime and all its descendants: system calls (seccomp) and files (Landlock).

use std::collections::BTreeMap;

use landlock::{
    ABI, Access, AccessFs, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset, RulesetAttr,
    RulesetCreatedAttr, Scope,
};
use nix::libc;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};

use crate::isolation::IsolationLevel;
use crate::launcher::spec::Bind;

type Error = Box<dyn std::error::Error>;

/// Refused with "operation not permitted": ways to other processes, to the kernel, and to new namespaces.
const REFUSED: &[libc::c_long] = &[
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_open_tree,
    libc::SYS_move_mount,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_pidfd_getfd,
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_syslog,
    libc::SYS_acct,
    libc::SYS_quotactl,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_adjtimex,
    libc::SYS_clock_adjtime,
    libc::SYS_open_by_handle_at,
    libc::SYS_name_to_handle_at,
    libc::SYS_personality,
    libc::SYS_fanotify_init,
    libc::SYS_lookup_dcookie,
];

/// Answered with "no such call", so that programs take their other way: the arguments of `clone3` cannot be looked
/// at, and io_uring passes by any filter.
const ABSENT: &[libc::c_long] = &[
    libc::SYS_clone3,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
];

pub(super) fn seccomp() -> Result<(), Error> {
    for filter in [absent()?, refused()?] {
        seccompiler::apply_filter(&filter)?;
    }
    Ok(())
}

pub(super) fn seccomp_works() -> Result<(), String> {
    if std::path::Path::new("/proc/sys/kernel/seccomp/actions_avail").exists() {
        refused().map(drop).map_err(|e| e.to_string())
    } else {
        Err("this kernel has no system call filters".to_owned())
    }
}

fn filter(rules: BTreeMap<i64, Vec<SeccompRule>>, errno: i32) -> Result<BpfProgram, Error> {
    let action = SeccompAction::Errno(errno.unsigned_abs());
    let arch: TargetArch = std::env::consts::ARCH.try_into()?;
    Ok(SeccompFilter::new(rules, SeccompAction::Allow, action, arch)?.try_into()?)
}

fn absent() -> Result<BpfProgram, Error> {
    filter(ABSENT.iter().map(|call| (*call, Vec::new())).collect(), libc::ENOSYS)
}

fn refused() -> Result<BpfProgram, Error> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> =
        REFUSED.iter().map(|call| (*call, Vec::new())).collect();
    let spaces = libc::CLONE_NEWUSER
        | libc::CLONE_NEWNS
        | libc::CLONE_NEWPID
        | libc::CLONE_NEWNET
        | libc::CLONE_NEWIPC
        | libc::CLONE_NEWUTS
        | libc::CLONE_NEWCGROUP;
    let mut clone = Vec::new();
    for bit in (0..32)
        .map(|shift| 1_u64 << shift)
        .filter(|bit| u64::from(spaces.cast_unsigned()) & bit != 0)
    {
        let set = SeccompCmpOp::MaskedEq(bit);
        clone.push(SeccompRule::new(vec![SeccompCondition::new(
            0,
            SeccompCmpArgLen::Qword,
            set,
            bit,
        )?])?);
    }
    rules.insert(libc::SYS_clone, clone);
    // Packet and diagnostic sockets see what other processes send.
    let mut socket = Vec::new();
    for (argument, value) in [(0, libc::AF_PACKET), (0, libc::AF_VSOCK)] {
        let value = u64::from(value.cast_unsigned());
        let equal =
            SeccompCondition::new(argument, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, value)?;
        socket.push(SeccompRule::new(vec![equal])?);
    }
    let netlink = u64::from(libc::AF_NETLINK.cast_unsigned());
    let diagnostics = u64::from(libc::NETLINK_SOCK_DIAG.cast_unsigned());
    socket.push(SeccompRule::new(vec![
        SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, netlink)?,
        SeccompCondition::new(2, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, diagnostics)?,
    ])?);
    rules.insert(libc::SYS_socket, socket);
    filter(rules, libc::EPERM)
}

/// With `files`: only those can be seen. Without (a root of its own): abstract sockets and signals end at the sandbox.
pub(super) fn landlock(files: Option<&[Bind]>) -> Result<(), Error> {
    let abi = ABI::V5;
    let mut ruleset = Ruleset::default().set_compatibility(CompatLevel::BestEffort);
    if files.is_some() {
        ruleset = ruleset.handle_access(AccessFs::from_all(abi))?;
    }
    let mut created = ruleset.scope(Scope::AbstractUnixSocket)?.create()?;
    for bind in files.unwrap_or_default() {
        let Ok(path) = PathFd::new(&bind.from) else {
            continue;
        };
        let is_dir = bind.from.is_dir();
        let mut access =
            if bind.writable { AccessFs::from_all(abi) } else { AccessFs::from_read(abi) };
        if !is_dir {
            access &= AccessFs::from_file(abi);
        }
        created = created.add_rule(PathBeneath::new(path, access))?;
    }
    created.restrict_self()?;
    Ok(())
}

pub(super) fn landlock_works(level: IsolationLevel) -> Result<(), String> {
    let ruleset = Ruleset::default().set_compatibility(CompatLevel::HardRequirement);
    let (ruleset, missing) = match level {
        IsolationLevel::Process => {
            (ruleset.handle_access(AccessFs::from_all(ABI::V1)), "this kernel has no Landlock")
        }
        IsolationLevel::Namespaces => (
            ruleset.scope(Scope::AbstractUnixSocket),
            "this kernel's Landlock has no scopes: abstract sockets are shared",
        ),
    };
    ruleset.map_err(|_| missing.to_owned())?.create().map(drop).map_err(|_| missing.to_owned())
}
