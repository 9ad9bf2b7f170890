/*
 * Tests that an emulator cannot pass (make EMULATOR=qemu-aarch64 unit).
 */
#ifndef TESTS_EMULATED_H
#define TESTS_EMULATED_H

/* Skip this test under qemu-user: its processes get no seccomp filter, and of a message with more
 * descriptors than there is room for, it leaves some open. */
void skip_if_emulated(void);

#endif
