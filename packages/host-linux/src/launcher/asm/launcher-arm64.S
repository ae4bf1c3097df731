// The launcher for arm64 Linux. The same records and rules as launcher-x64.S; read that one first.
// Registers in the child: x20 record, x21 report, x22 control. `svc` changes x0 only.
// It has run in an emulated machine (qemu, Linux 6.1: ../arm64-system.host.test.ts) and under an emulator of user mode.
// It has not run on arm64 hardware: what an emulator can't show is that the instruction cache sees code that was just written.

        .text
        .globl launch, start, start_words

launch:
        stp     x19, x20, [sp, #-48]!
        stp     x21, x22, [sp, #16]
        stp     x23, x30, [sp, #32]
        mov     x19, x0
        ldr     x20, [x19, #16]
        ldr     x21, [x19, #24]
        mov     x0, #2
        adr     x1, all_signals
        ldr     x2, [x19, #32]
        mov     x3, #8
        mov     x8, #135                // rt_sigprocmask
        svc     #0
        ldr     x0, [x19]
        ldr     x1, [x19, #8]
        mov     x8, #435                // clone3
        svc     #0
        cbz     x0, walk
        mov     x23, x0
        mov     x0, #2
        ldr     x1, [x19, #32]
        mov     x2, #0
        mov     x3, #8
        mov     x8, #135
        svc     #0
        mov     x0, x23
        ldp     x23, x30, [sp, #32]
        ldp     x21, x22, [sp, #16]
        ldp     x19, x20, [sp], #48
        ret

start:
        adr     x9, words
        ldp     x20, x21, [x9]
walk:
        ldr     x22, [x20, #64]
        ldp     x0, x1, [x20, #8]
        ldp     x2, x3, [x20, #24]
        ldp     x4, x5, [x20, #40]
        tbz     x22, #0, 1f
        ldr     x0, [x0]
1:      tbz     x22, #1, 1f
        ldr     x1, [x1]
1:      tbz     x22, #2, 1f
        ldr     x2, [x2]
1:      tbz     x22, #3, 1f
        ldr     x3, [x3]
1:      tbz     x22, #4, 1f
        ldr     x4, [x4]
1:      tbz     x22, #5, 1f
        ldr     x5, [x5]
1:      ldr     x8, [x20]
        tbnz    x8, #63, pseudo
        svc     #0
        cmn     x0, #4095
        b.hs    failed
store:  ldr     x9, [x20, #56]
        cbz     x9, next
        str     x0, [x9]
next:   ldr     x9, [x20, #72]
        cbnz    x9, 1f
        add     x9, x20, #88
1:      mov     x20, x9
        b       walk

failed: neg     x0, x0
failed_errno:                           // x0: errno
        ubfx    x9, x22, #16, #16
        cbz     x9, 1f
        cmp     x9, x0
        b.ne    report
1:      ldr     x9, [x20, #80]
        cbz     x9, report
        mov     x20, x9
        b       walk

report: stp     x0, x20, [x21]
        ldr     x20, [x21, #16]
        cbnz    x20, walk
        mov     x0, #127
exit:   mov     x8, #94                 // exit_group
        svc     #0
        b       exit

pseudo: cmn     x8, #1                  // -1 compare
        b.ne    1f
        and     x0, x0, x2
        cmp     x0, x1
        mov     x0, x3
        b.ne    failed_errno
        b       next
1:      cmn     x8, #2                  // -2 branch
        b.ne    1f
        cbz     x0, next
        ldr     x20, [x20, #80]
        b       walk
1:      cmn     x8, #3                  // -3 report
        b.eq    report
        cmn     x8, #4                  // -4 nested clone3
        b.ne    1f
        mov     x8, #435
        svc     #0
        cbz     x0, next
        tbnz    x0, #63, failed
        ldr     x9, [x20, #56]
        cbz     x9, 2f
        str     x0, [x9]
2:      mov     x0, #0
        b       exit
1:      cmn     x8, #6                  // -6 add
        b.ne    1f
        add     x0, x0, x1
        b       store
1:      cmn     x8, #7                  // -7 multiply
        b.ne    store                   // -5 copy: x0 is the result
        mul     x0, x0, x1
        b       store

        .balign 8
all_signals:
        .quad   -1
// Two names: a reference to a global one is left to the linker.
words:
start_words:                            // first record, report
        .quad   0, 0
