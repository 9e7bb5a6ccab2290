// The file's name is the module that the compiler imports these functions from.
export declare function fd_write(fd: i32, vectors: usize, count: i32, written: usize): i32
export declare function proc_exit(code: i32): void
