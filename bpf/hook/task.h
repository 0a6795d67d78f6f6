/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * task.h - what the kernel's own structs say about the calling task.
 *
 * Their layout is that of the running kernel: the loader finds the members by
 * BTF.  A read through an invalid pointer gives 0.
 */
#ifndef TG_BPF_HOOK_TASK_H
#define TG_BPF_HOOK_TASK_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct super_block {
	__u32 s_dev;
};

struct inode {
	struct super_block *i_sb;
	unsigned long i_ino;
};

struct file {
	struct inode *f_inode;
};

struct mm_struct {
	struct file *exe_file;
};

struct task_struct {
	struct mm_struct *mm;
};

#pragma clang attribute pop

/* Device and inode of the file that the task executes; unchanged for a kernel thread. */
static __always_inline void tg_task_exe(__u64 *device, __u64 *number)
{
	struct mm_struct *mm = bpf_get_current_task_btf()->mm;
	struct file *file = mm ? mm->exe_file : 0;
	struct inode *inode = file ? file->f_inode : 0;
	struct super_block *super = inode ? inode->i_sb : 0;

	if (!super)
		return;
	*device = super->s_dev;
	*number = inode->i_ino;
}

#endif
