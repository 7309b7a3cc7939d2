"""Runs programs that a model has written, where they can do no harm and cannot be mistaken for others.

    metric    pass@1 of a task; lm-eval calls it in the evaluator's process
    client    takes a program to where it may run: to the pod's sandbox container, or to a child process of its own
    server    the sandbox container's process: one program after the other, over one connection
    runner    starts a child for one program, and reads its verdict
    child     becomes the program: walls (`walls`), limits and a filter of system calls (`filters`), then its text

`child` and what it imports need the standard library alone, and nothing here is imported by the rest of the evaluator
before a task asks for it.

Who is kept from what: a program may be hostile, in the sense that it was written by a model that nobody has read. It
must not read or write checkpoints, workspace or secrets, reach a network, outlive its time, disturb the process that
judges it or the program after it, or pass without its tests having run. What it may still do: use the limits up; learn
what Python and the machine are; and, since tests run in its own process as in every benchmark of this kind, cheat on
purpose, by objects that equal everything or by looking for the word that says "passed" in the memory of its process.
What the kernel counts by user, threads above all, it counts for a whole node: sandboxes that run side by side have
different users, one of 4096 by the name of their Job, or user namespaces of their own. Two that meet in one user share
256 threads, and a program that takes them all makes one that starts a thread fail in the other.

The kernel is shared: whoever needs more puts the pod into a virtual machine or gVisor by `runtimeClassName`.
"""
