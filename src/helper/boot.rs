//! Puts the helper together where it comes in parts, and becomes it: a cluster's ConfigMap holds less than the
//! helper is long, and an image need not have a program that joins files.
//!
//! A program of its own, without the standard library: two kilobytes, and so a part like the others. Compiled by
//! `build.rs`. The parts are `/windlass-helper/0`, `/windlass-helper/1` and so on; nothing is written to a disk.

#![no_std]
#![no_main]

use core::arch::{asm, global_asm};
use core::mem::MaybeUninit;

const ENOENT: isize = -2;
const AT_FDCWD: isize = -100;
const AT_EMPTY_PATH: usize = 0x1000;
const MFD_CLOEXEC: usize = 1;
const SIZE: usize = 16 << 10;
const PART: usize = b"/windlass-helper/".len();

#[cfg(target_arch = "x86_64")]
mod number {
    pub const READ: usize = 0;
    pub const WRITE: usize = 1;
    pub const CLOSE: usize = 3;
    pub const EXIT: usize = 60;
    pub const OPENAT: usize = 257;
    pub const MEMFD_CREATE: usize = 319;
    pub const EXECVEAT: usize = 322;
}

#[cfg(target_arch = "aarch64")]
mod number {
    pub const OPENAT: usize = 56;
    pub const CLOSE: usize = 57;
    pub const READ: usize = 63;
    pub const WRITE: usize = 64;
    pub const EXIT: usize = 93;
    pub const MEMFD_CREATE: usize = 279;
    pub const EXECVEAT: usize = 281;
}

#[cfg(target_arch = "x86_64")]
global_asm!(
    ".globl _start",
    "_start:",
    "mov rdi, rsp",
    "and rsp, -16",
    "call {begin}",
    begin = sym begin
);

#[cfg(target_arch = "aarch64")]
global_asm!(".globl _start", "_start:", "mov x0, sp", "bl {begin}", begin = sym begin);

/// Makes a system call; below 0 is an error.
fn call(number: usize, args: [usize; 5]) -> isize {
    let result: isize;
    #[cfg(target_arch = "x86_64")]
    // SAFETY: every caller passes what the system call of that number wants, and memory that lives meanwhile.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") number => result,
            in("rdi") args[0], in("rsi") args[1], in("rdx") args[2], in("r10") args[3], in("r8") args[4],
            lateout("rcx") _, lateout("r11") _,
        );
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: every caller passes what the system call of that number wants, and memory that lives meanwhile.
    unsafe {
        asm!(
            "svc 0",
            in("x8") number,
            inlateout("x0") args[0] => result,
            in("x1") args[1], in("x2") args[2], in("x3") args[3], in("x4") args[4],
        );
    }
    result
}

/// Ends with a message that names the step that failed.
fn refuse(why: &[u8]) -> ! {
    call(number::WRITE, [2, why.as_ptr() as usize, why.len(), 0, 0]);
    loop {
        call(number::EXIT, [1, 0, 0, 0, 0]);
    }
}

/// A descriptor, or the end.
fn open(result: isize, why: &[u8]) -> usize {
    if result < 0 { refuse(why) } else { result.cast_unsigned() }
}

/// Copies all that there is to read.
fn copy(from: usize, to: usize) {
    // Zeroing it would want `memset`, which is not here.
    let mut buffer = MaybeUninit::<[u8; SIZE]>::uninit();
    loop {
        let count = open(
            call(number::READ, [from, (&raw mut buffer) as usize, SIZE, 0, 0]),
            b"windlass-helper: cannot read a part of it\n",
        );
        if count == 0 {
            return;
        }
        let mut written = 0;
        while written < count {
            let from = (&raw const buffer) as usize + written;
            written += open(
                call(number::WRITE, [to, from, count - written, 0, 0]),
                b"windlass-helper: no memory for it\n",
            );
        }
    }
}

extern "C" fn begin(stack: *const usize) -> ! {
    // SAFETY: the kernel puts the number of arguments there, then their addresses, 0, and the environment's.
    let argv = unsafe { stack.add(1) };
    // SAFETY: as above.
    let environment = unsafe { argv.add(stack.read() + 1) };
    let name = c"windlass-helper";
    let whole = call(number::MEMFD_CREATE, [name.as_ptr() as usize, MFD_CLOEXEC, 0, 0, 0]);
    let whole = open(whole, b"windlass-helper: no memory for it\n");
    let mut path = *b"/windlass-helper/0\0";
    loop {
        let part = call(number::OPENAT, [AT_FDCWD.cast_unsigned(), (&raw const path) as usize, 0, 0, 0]);
        if part == ENOENT && path[PART] > b'0' {
            break;
        }
        let part = open(part, b"windlass-helper: a part of it is missing\n");
        copy(part, whole);
        call(number::CLOSE, [part, 0, 0, 0, 0]);
        path[PART] += 1;
    }
    let empty = c"";
    call(
        number::EXECVEAT,
        [whole, empty.as_ptr() as usize, argv as usize, environment as usize, AT_EMPTY_PATH],
    );
    refuse(b"windlass-helper: it cannot be executed\n")
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    refuse(b"windlass-helper: its parts do not fit\n")
}
