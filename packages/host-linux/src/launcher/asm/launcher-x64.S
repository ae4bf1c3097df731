# The launcher for x86-64 Linux: clone3, then a walk over records of system calls in the child.
# Position-independent. The child shares the memory of Node (CLONE_VM) and must not touch the stack, so neither does this code
# between the clone and execve: it works on registers, the records and the buffers they point to.
#
# A record is 11 words of 8 bytes:
#   0 number (negative: a pseudo-operation)   8..48 six arguments   56 address that gets the result, or 0
#  64 control: bits 0-5 argument i is the address of a word to load; bits 16-31 errno that takes `fail` (0: any)
#  72 next record (0: the following)   80 record to go on with on failure (0: report and end)
#
# Registers in the child: r14 record, r13 report, rbx control. `syscall` changes rax, rcx and r11 only.

        .intel_syntax noprefix
        .text
        .globl launch, start, start_words

# long launch(struct { clone_args, clone_args_size, first_record, report, saved_signal_set; } *)
# Returns the pid, or a negative errno.
launch:
        push    rbx
        push    rbp
        push    r12
        push    r13
        push    r14
        push    r15
        mov     r15, rdi
        mov     r14, [r15 + 16]
        mov     r13, [r15 + 24]
        # No handler of Node may run in the child: block every signal. rt_sigprocmask(SIG_SETMASK, all, saved, 8)
        mov     edi, 2
        lea     rsi, [rip + all_signals]
        mov     rdx, [r15 + 32]
        mov     r10d, 8
        mov     eax, 14
        syscall
        mov     rdi, [r15]
        mov     rsi, [r15 + 8]
        mov     eax, 435                # clone3
        syscall
        test    rax, rax
        jz      walk
        mov     rbx, rax
        mov     edi, 2
        mov     rsi, [r15 + 32]
        xor     edx, edx
        mov     r10d, 8
        mov     eax, 14
        syscall
        mov     rax, rbx
        pop     r15
        pop     r14
        pop     r13
        pop     r12
        pop     rbp
        pop     rbx
        ret

# Entry point of a static ELF file: the words at the end were filled in when the file was made.
start:
        mov     r14, [rip + words]
        mov     r13, [rip + words + 8]
walk:
        mov     rbx, [r14 + 64]
        mov     rdi, [r14 + 8]
        test    bl, 1
        jz      1f
        mov     rdi, [rdi]
1:      mov     rsi, [r14 + 16]
        test    bl, 2
        jz      1f
        mov     rsi, [rsi]
1:      mov     rdx, [r14 + 24]
        test    bl, 4
        jz      1f
        mov     rdx, [rdx]
1:      mov     r10, [r14 + 32]
        test    bl, 8
        jz      1f
        mov     r10, [r10]
1:      mov     r8, [r14 + 40]
        test    bl, 16
        jz      1f
        mov     r8, [r8]
1:      mov     r9, [r14 + 48]
        test    bl, 32
        jz      1f
        mov     r9, [r9]
1:      mov     rax, [r14]
        test    rax, rax
        js      pseudo
        syscall
result: cmp     rax, -4095
        jae     failed
store:  mov     rcx, [r14 + 56]
        test    rcx, rcx
        jz      next
        mov     [rcx], rax
next:   mov     rcx, [r14 + 72]
        test    rcx, rcx
        jnz     1f
        lea     rcx, [r14 + 88]
1:      mov     r14, rcx
        jmp     walk

failed: neg     rax
failed_errno:                           # rax: errno
        mov     rcx, rbx
        shr     rcx, 16
        and     ecx, 0xffff
        jz      1f
        cmp     ecx, eax
        jne     report
1:      mov     rcx, [r14 + 80]
        test    rcx, rcx
        jz      report
        mov     r14, rcx
        jmp     walk

report: mov     [r13], rax
        mov     [r13 + 8], r14
        mov     r14, [r13 + 16]         # a record to go on with, when there is one: it must not fail
        test    r14, r14
        jnz     walk
        mov     edi, 127
exit:   mov     eax, 231                # exit_group
        syscall
        jmp     exit

# -1 compare: (a0 & a2) == a1, else errno a3
pseudo: cmp     rax, -1
        jne     1f
        and     rdi, rdx
        cmp     rdi, rsi
        mov     rax, r10
        jne     failed_errno
        jmp     next
# -2 branch: a0 != 0 goes to the failure record
1:      cmp     rax, -2
        jne     1f
        test    rdi, rdi
        jz      next
        mov     r14, [r14 + 80]
        jmp     walk
# -3 report: end as if this record had failed with errno a0
1:      cmp     rax, -3
        jne     1f
        mov     rax, rdi
        jmp     report
# -4 nested clone3(a0, a1): the new process goes on, this one stores its pid and ends
1:      cmp     rax, -4
        jne     1f
        mov     eax, 435
        syscall
        test    rax, rax
        jz      next
        js      failed
        mov     rcx, [r14 + 56]
        test    rcx, rcx
        jz      2f
        mov     [rcx], rax
2:      xor     edi, edi
        jmp     exit
# -6 add: a0 + a1 becomes the result
1:      cmp     rax, -6
        jne     1f
        lea     rax, [rdi + rsi]
        jmp     store
# -7 multiply: a0 * a1 becomes the result
1:      cmp     rax, -7
        jne     1f
        imul    rdi, rsi
# -5 copy: a0 becomes the result
1:      mov     rax, rdi
        jmp     store

        .balign 8
all_signals:
        .quad   -1
# Two names: a reference to a global one is left to the linker.
words:
start_words:                            # first record, report
        .quad   0, 0
