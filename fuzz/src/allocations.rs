//! How much memory a run takes: what a peer says may not size an allocation.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);
static LARGEST: AtomicUsize = AtomicUsize::new(0);

#[global_allocator]
static COUNTING: Counting = Counting;

struct Counting;

impl Counting {
    fn took(bytes: usize) {
        LARGEST.fetch_max(bytes, Relaxed);
        PEAK.fetch_max(LIVE.fetch_add(bytes, Relaxed).wrapping_add(bytes), Relaxed);
    }

    fn gave_back(bytes: usize) {
        LIVE.fetch_sub(bytes, Relaxed);
    }
}

// SAFETY: everything is the system allocator's; numbers are counted beside it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        Self::took(layout.size());
        // SAFETY: the caller's contract is that of the system allocator.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        Self::took(layout.size());
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, old: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        Self::took(size);
        Self::gave_back(layout.size());
        // SAFETY: as above.
        unsafe { System.realloc(old, layout, size) }
    }

    unsafe fn dealloc(&self, old: *mut u8, layout: Layout) {
        Self::gave_back(layout.size());
        // SAFETY: as above.
        unsafe { System.dealloc(old, layout) }
    }
}

/// Bytes of memory that something took.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    /// The largest allocation.
    pub largest: usize,
    /// The most at a time.
    pub peak: usize,
}

impl Memory {
    /// Runs `f` and counts, on all threads.
    pub fn of<R>(f: impl FnOnce() -> R) -> (R, Self) {
        let before = LIVE.load(Relaxed);
        LARGEST.store(0, Relaxed);
        PEAK.store(before, Relaxed);
        let result = f();
        (result, Self { largest: LARGEST.load(Relaxed), peak: PEAK.load(Relaxed).saturating_sub(before) })
    }

    /// Whether it is what an honest session takes, `honest`, and room for a refusal, texts and threads; a
    /// package's part comes on top where one may be announced, `extra`.
    pub fn check(self, honest: Self, extra: usize) {
        const ROOM: usize = 1 << 16;
        assert!(self.largest <= honest.largest.max(ROOM) + extra, "{self:?}, an honest peer's: {honest:?}");
        assert!(
            self.peak <= 2 * honest.peak + 4 * ROOM + 2 * extra,
            "{self:?}, an honest peer's: {honest:?}"
        );
    }
}
