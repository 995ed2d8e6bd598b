//! For tests: which instructions a piece of code runs, one after the other.
//!
//! The processor stops after each instruction (the trap flag of x86-64) and a signal handler notes where it
//! is. Code without a branch that depends on a secret runs the same instructions whatever the secret is, so
//! two notes are equal, and where they are not the first difference is the branch. This sees the machine code
//! that really runs, whatever the optimiser made of a mask; there is nothing to measure and no noise.

use core::hint::black_box;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};
use std::sync::{Mutex, Once, PoisonError};

/// The trap flag among the flags.
const TRAP: u32 = 0x100;

/// Ends the run, also one that panics: what unwinds is not noted, and gives back what notes are written to.
struct Traced;

impl Drop for Traced {
    fn drop(&mut self) {
        clear_trap();
        NOTES.store(core::ptr::null_mut(), Ordering::SeqCst);
    }
}

/// Most instructions that are noted.
const MOST: usize = 1 << 23;

/// One run at a time: the notes are the process's.
static TURN: Mutex<()> = Mutex::new(());
static NOTES: AtomicPtr<u32> = AtomicPtr::new(core::ptr::null_mut());
static COUNT: AtomicUsize = AtomicUsize::new(0);

unsafe extern "C" {
    static __executable_start: u8;
    static etext: u8;
}

/// The instructions that `code` runs, by their places in the program. What it runs of the system's libraries,
/// memory management for instance, is left out.
///
/// # Panics
/// If they are too many, or `code` panics.
pub fn steps_of<R>(code: impl FnOnce() -> R) -> (Vec<u32>, R) {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    static HANDLED: Once = Once::new();
    HANDLED.call_once(handle);
    let mut notes = vec![0u32; MOST];
    NOTES.store(notes.as_mut_ptr(), Ordering::SeqCst);
    COUNT.store(0, Ordering::SeqCst);
    let traced = Traced;
    set_trap();
    let result = black_box(code)();
    drop(traced);
    let count = COUNT.load(Ordering::SeqCst);
    assert!(count < MOST, "more instructions than are noted");
    notes.truncate(count);
    (notes, result)
}

/// Whether this system lets a program see its own instructions: some emulators and sandboxes do not.
pub fn can_see() -> bool {
    let branch = |bits: &[bool]| bits.iter().filter(|&&bit| bit).fold(1u64, |n, _| black_box(n * 3));
    let (some, _) = steps_of(|| branch(black_box(&[true, false, true])));
    let (others, _) = steps_of(|| branch(black_box(&[true, true, true])));
    some != others && !some.is_empty()
}

/// One place of the program that runs `code`: a second one would be other instructions.
#[inline(never)]
fn run<S, R>(code: &impl Fn(&S) -> R, secret: &S) -> Vec<u32> {
    steps_of(|| code(secret)).0
}

/// How often a run on a secret is tried until it is one of the runs on the first one.
const TRIES: usize = 6;

/// Most runs on one secret, of so many secrets: for code that uses up something at each.
#[allow(dead_code)] // a part of the tests that include this file
pub const fn most_runs(secrets: usize) -> usize {
    2 + TRIES * secrets
}

/// Runs `code` on each of `secrets` and checks that it runs the same instructions; `what` names it.
///
/// # Panics
/// If it does not.
pub fn assert_same_steps<S, R>(what: &str, secrets: &[S], code: impl Fn(&S) -> R) {
    if !can_see() {
        println!("SKIPPED: {what}: this system does not let a program see its own instructions");
        return;
    }
    // What is set up at the first call, or allocated, is there afterwards.
    secrets.iter().for_each(|secret| drop(code(secret)));
    let mut known = vec![run(&code, &secrets[0])];
    assert!(known[0].len() > 100, "{what}: {} instructions are too few to be it", known[0].len());
    for (number, secret) in secrets.iter().enumerate().skip(1) {
        // A loop over two buffers may begin with a comparison of their addresses, which are the allocator's:
        // it falls as it likes from one run to the next. What falls by a secret does so in every run.
        let mut steps = run(&code, secret);
        for _ in 1..TRIES {
            if known.contains(&steps) {
                break;
            }
            known.push(run(&code, &secrets[0]));
            steps = run(&code, secret);
        }
        let same = steps.iter().zip(&known[0]).take_while(|(a, b)| a == b).count();
        assert!(
            known.contains(&steps),
            "{what}: secrets 0 and {number} part behind the instruction at {:#x} of the program, after \
             {same} of {} and {}",
            known[0][same.saturating_sub(1)],
            known[0].len(),
            steps.len()
        );
    }
}

/// Has the trap's signal handled by [`note`].
fn handle() {
    // SAFETY: `action` is valid as zeros but for what is set, `note` has the signature that `SA_SIGINFO` asks
    // for, and no other code of the tests handles this signal.
    unsafe {
        let mut action: libc::sigaction = core::mem::zeroed();
        action.sa_sigaction = note as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART;
        assert_eq!(libc::sigaction(libc::SIGTRAP, &action, core::ptr::null_mut()), 0, "a valid signal");
    }
}

extern "C" fn note(_: libc::c_int, _: *mut libc::siginfo_t, context: *mut libc::c_void) {
    let notes = NOTES.load(Ordering::Relaxed);
    // SAFETY: the system passes a context of this type; the linker defines both symbols, of which the
    // addresses alone are taken; `notes` has room for `MOST` numbers while it is not null.
    unsafe {
        let context = &*context.cast::<libc::ucontext_t>();
        let at = context.uc_mcontext.gregs[libc::REG_RIP as usize] as usize;
        let (begin, end) = (&raw const __executable_start as usize, &raw const etext as usize);
        let count = COUNT.load(Ordering::Relaxed);
        if (begin..end).contains(&at) && count < MOST && !notes.is_null() {
            notes.add(count).write((at - begin) as u32);
            COUNT.store(count + 1, Ordering::Relaxed);
        }
    }
}

#[inline(never)]
fn set_trap() {
    // SAFETY: it changes a flag that no compiled code reads; the signal is handled.
    unsafe { core::arch::asm!("pushfq", "or dword ptr [rsp], {trap}", "popfq", trap = const TRAP) }
}

#[inline(never)]
fn clear_trap() {
    // SAFETY: as above.
    unsafe {
        core::arch::asm!("pushfq", "and dword ptr [rsp], {others}", "popfq", others = const !TRAP as i32)
    }
}

#[test]
fn a_branch_on_a_secret_is_seen_and_a_mask_is_not() {
    if !can_see() {
        println!("SKIPPED: this system does not let a program see its own instructions");
        return;
    }
    let secrets: Vec<[bool; 64]> =
        (0..3u32).map(|s| core::array::from_fn(|i| (i as u32).is_multiple_of(s + 1))).collect();
    let masked = |bits: &[bool; 64]| {
        bits.iter()
            .fold(7u64, |n, &bit| black_box(n.rotate_left(5) ^ black_box(u64::from(bit)).wrapping_neg()))
    };
    assert_same_steps("a mask", &secrets, masked);
    let branching = |bits: &[bool; 64]| bits.iter().filter(|&&bit| bit).fold(7u64, |n, _| black_box(n * 3));
    let caught = std::panic::catch_unwind(|| assert_same_steps("a branch", &secrets, branching));
    assert!(caught.is_err(), "it was not seen");
}
