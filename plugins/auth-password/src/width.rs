//! How many may hash at a time: a counting semaphore, since each hash takes megabytes.

use std::sync::{Condvar, Mutex, PoisonError};

/// Room for so many at a time. Who comes later waits; the workers that can wait here are bounded by chatd.
pub(crate) struct Width {
    free: Mutex<usize>,
    freed: Condvar,
}

/// One's place, until dropped.
pub(crate) struct Slot<'w>(&'w Width);

impl Width {
    pub fn new(slots: usize) -> Width {
        Width { free: Mutex::new(slots), freed: Condvar::new() }
    }

    /// Waits for a place.
    pub fn enter(&self) -> Slot<'_> {
        // A number is never half changed, so a poisoned lock is as good as any.
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let mut free = self.freed.wait_while(free, |free| *free == 0).unwrap_or_else(PoisonError::into_inner);
        *free -= 1;
        Slot(self)
    }
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        *self.0.free.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.0.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn never_more_than_the_width() {
        let (width, inside, most) = (Width::new(2), AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        let _slot = width.enter();
                        most.fetch_max(inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        std::thread::yield_now();
                        inside.fetch_sub(1, Ordering::SeqCst);
                    }
                });
            }
        });
        assert!(most.into_inner() <= 2);
        assert_eq!(*width.free.lock().unwrap(), 2);
    }
}
