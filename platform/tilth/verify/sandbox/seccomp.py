"""The system calls that a program in the sandbox may make, as a BPF filter.

What is listed is allowed; what a curious program tries (sockets, exec, mounts, tracing) is refused with EPERM;
everything else does not exist (ENOSYS), so that the C library takes its older way. A call of another architecture
kills the process.
"""

import ctypes
import struct

from tilth.verify.sandbox import kernel

_ARCHITECTURES = (0xC000003E, 0xC00000B7)
_X32 = 0x40000000
_ALLOW, _KILL = 0x7FFF0000, 0x80000000
_EPERM, _ENOSYS = 0x00050000 | 1, 0x00050000 | 38
_LOAD, _RETURN = 0x20, 0x06
_EQUAL, _AT_LEAST, _ANY_BIT = 0x15, 0x35, 0x45
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16

CLONE_THREAD = 0x00010000
_NEW_NAMESPACES = 0x7E020000
_TERMINAL_QUERIES = (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)  # TCGETS … FIONREAD, FIONBIO, FIO(N)CLEX
_AF_UNIX = 1

# name: number on x86_64, on aarch64 (or "-")
ALLOWED = """
read 0 63; readv 19 65; pread64 17 67; preadv 295 69; preadv2 327 286; write 1 64; writev 20 66; pwrite64 18 68;
pwritev 296 70; pwritev2 328 287; close 3 57; close_range 436 436; dup 32 23; dup2 33 -; dup3 292 24; fcntl 72 25;
flock 73 32; open 2 -; openat 257 56; creat 85 -; access 21 -; faccessat 269 48; faccessat2 439 439; stat 4 -;
fstat 5 80; lstat 6 -; newfstatat 262 79; statx 332 291; statfs 137 43; fstatfs 138 44; getdents 78 -;
getdents64 217 61; readlink 89 -; readlinkat 267 78; lseek 8 62; mkdir 83 -; mkdirat 258 34; rmdir 84 -;
unlink 87 -; unlinkat 263 35; rename 82 -; renameat 264 38; renameat2 316 276; link 86 -; linkat 265 37;
symlink 88 -; symlinkat 266 36; truncate 76 45; ftruncate 77 46; fallocate 285 47; fsync 74 82; fdatasync 75 83;
chmod 90 -; fchmod 91 52; fchmodat 268 53; umask 95 166; utime 132 -; utimes 235 -; utimensat 280 88;
futimesat 261 -; chdir 80 49; fchdir 81 50; getcwd 79 17; fadvise64 221 223; copy_file_range 326 285;
sendfile 40 71; pipe 22 -; pipe2 293 59; poll 7 -; ppoll 271 73; select 23 -; pselect6 270 72; epoll_create 213 -;
epoll_create1 291 20; epoll_ctl 233 21; epoll_wait 232 -; epoll_pwait 281 22; epoll_pwait2 441 441; eventfd 284 -;
eventfd2 290 19; sendto 44 206; recvfrom 45 207; shutdown 48 210; getsockopt 55 209; getsockname 51 204;
getpeername 52 205; timerfd_create 283 85; timerfd_settime 286 86; timerfd_gettime 287 87; mmap 9 222;
munmap 11 215; mremap 25 216; mprotect 10 226; madvise 28 233; brk 12 214; msync 26 227; mincore 27 232;
membarrier 324 283; futex 202 98; futex_waitv 449 449; set_robust_list 273 99; get_robust_list 274 100;
rseq 334 293; set_tid_address 218 96; arch_prctl 158 -; gettid 186 178; getpid 39 172; getppid 110 173;
getpgrp 111 -; getpgid 121 155; setpgid 109 154; getsid 124 156; setsid 112 157; getuid 102 174; geteuid 107 175;
getgid 104 176; getegid 108 177; getresuid 118 148; getresgid 120 150; getgroups 115 158; exit 60 93;
exit_group 231 94; wait4 61 260; waitid 247 95; kill 62 129; tkill 200 130; tgkill 234 131; pidfd_open 434 434;
rt_sigaction 13 134; rt_sigprocmask 14 135; rt_sigreturn 15 139; rt_sigpending 127 136; rt_sigsuspend 130 133;
rt_sigtimedwait 128 137; rt_sigqueueinfo 129 138; sigaltstack 131 132; signalfd 282 -; signalfd4 289 74;
pause 34 -; restart_syscall 219 128; nanosleep 35 101; clock_nanosleep 230 115; clock_gettime 228 113;
clock_getres 229 114; gettimeofday 96 169; time 201 -; times 100 153; alarm 37 -; getitimer 36 102;
setitimer 38 103; timer_create 222 107; timer_settime 223 110; timer_gettime 224 108; timer_getoverrun 225 109;
timer_delete 226 111; getrandom 318 278; getrusage 98 165; getrlimit 97 163; sysinfo 99 179; uname 63 160;
getcpu 309 168; sched_yield 24 124; sched_getaffinity 204 123; sched_getparam 143 121; sched_getscheduler 145 120;
sched_get_priority_max 146 125; sched_get_priority_min 147 126; getpriority 140 141
"""
REFUSED = """
socket 41 198; connect 42 203; bind 49 200; listen 50 201; accept 43 202; accept4 288 242; sendmsg 46 211;
recvmsg 47 212; execve 59 221; execveat 322 281; fork 57 -; vfork 58 -; ptrace 101 117; process_vm_readv 310 270;
process_vm_writev 311 271; pidfd_getfd 438 438; pidfd_send_signal 424 424; unshare 272 97; setns 308 268;
mount 165 40; umount2 166 39; pivot_root 155 41; chroot 161 51; setuid 105 146; setgid 106 144; setreuid 113 145;
setregid 114 143; setresuid 117 147; setresgid 119 149; setgroups 116 159; capset 126 91; prctl 157 167;
setrlimit 160 164; chown 92 -; fchown 93 55; lchown 94 -; fchownat 260 54; mknod 133 -; mknodat 259 33;
sethostname 170 161; setpriority 141 140; sched_setaffinity 203 122; sched_setscheduler 144 119; mlock 149 228;
mlockall 151 230; open_by_handle_at 304 265; name_to_handle_at 303 264
"""
_CLONE, _IOCTL, _PRLIMIT, _SOCKETPAIR = (56, 220), (16, 29), (302, 261), (53, 199)


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_char_p)]


def apply(*, fork: bool) -> None:
    """Put this process and all it will start under the filter, for good; ``fork`` lets it start processes."""
    code = build(kernel.machine(), fork=fork)
    program = _Program(len(code) // 8, code)
    kernel.prctl(38, 1)  # PR_SET_NO_NEW_PRIVS
    kernel.call("prctl", 22, ctypes.c_ulong(2), ctypes.byref(program), ctypes.c_ulong(0), ctypes.c_ulong(0))


def build(machine: int, *, fork: bool) -> bytes:
    """The filter for x86_64 (0) or aarch64 (1), as the kernel reads it."""
    code = [
        _step(_LOAD, _ARCHITECTURE),
        _step(_EQUAL, _ARCHITECTURES[machine], 1, 0),
        _step(_RETURN, _KILL),
        _step(_LOAD, _NUMBER),
        _step(_AT_LEAST, _X32, 0, 1),
        _step(_RETURN, _KILL),
    ]
    for answer, listed in ((_ALLOW, ALLOWED), (_EPERM, REFUSED)):
        for number in _numbers(listed, machine):
            code += [_step(_EQUAL, number, 0, 1), _step(_RETURN, answer)]
    code += _where(_CLONE[machine], _clone(fork))
    code += _where(_IOCTL[machine], _one_of(1, _TERMINAL_QUERIES))
    code += _where(_PRLIMIT[machine], _one_of(0, (0,)))
    code += _where(_SOCKETPAIR[machine], _one_of(0, (_AF_UNIX,)))
    code.append(_step(_RETURN, _ENOSYS))
    return b"".join(code)


def _numbers(listed: str, machine: int) -> list[int]:
    columns = [entry.split()[1 + machine] for entry in listed.split(";")]
    return [int(number) for number in columns if number != "-"]


def _step(code: int, value: int, yes: int = 0, no: int = 0) -> bytes:
    return struct.pack("=HBBI", code, yes, no, value)


def _where(number: int, block: list[bytes]) -> list[bytes]:
    return [_step(_EQUAL, number, 0, len(block)), *block]


def _one_of(argument: int, values: tuple[int, ...]) -> list[bytes]:
    """Allowed when the low half of the argument is one of these."""
    block = [_step(_LOAD, _ARGUMENTS + 8 * argument)]
    for value in values:
        block += [_step(_EQUAL, value, 0, 1), _step(_RETURN, _ALLOW)]
    return [*block, _step(_RETURN, _EPERM)]


def _clone(fork: bool) -> list[bytes]:
    """Threads always, processes when allowed, new namespaces never."""
    needed = [] if fork else [_step(_ANY_BIT, CLONE_THREAD, 1, 0), _step(_RETURN, _EPERM)]
    return [
        _step(_LOAD, _ARGUMENTS),
        _step(_ANY_BIT, _NEW_NAMESPACES, 0, 1),
        _step(_RETURN, _EPERM),
        *needed,
        _step(_RETURN, _ALLOW),
    ]
