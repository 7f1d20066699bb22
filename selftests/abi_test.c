// SPDX-License-Identifier: GPL-2.0-only
/*
 * The interface of /dev/hv is KVM's: every constant of <linux/hv.h> has the
 * value of its namesake in <linux/kvm.h>, every structure its size, every field
 * its offset and size. abi_list.h, made from the header by abi_list.py, names all.
 */
#include <stddef.h>
#include <string.h>

/* KVM_COALESCED_MMIO_MAX is made of it, and no header has it. */
#define PAGE_SIZE	4096
#include <linux/kvm.h>
#include <linux/hv.h>
#include "kselftest_harness.h"

static void check(struct __test_metadata *_metadata, const char *what,
		  unsigned long long hv, unsigned long long kvm)
{
	EXPECT_EQ(hv, kvm) {
		TH_LOG("%s: %#llx, KVM has %#llx", what, hv, kvm);
	}
}

#define MEMBER(type, path)	(((struct type *)0)->path)

TEST(constants)
{
#define CONSTANT(hv, kvm)		check(_metadata, #hv, hv, kvm);
#define SIZE(hv, kvm)
#define FIELD(hv, kvm, hv_path, kvm_path)
#define FLEX(hv, kvm, hv_path, kvm_path)
#define BITS(hv, kvm, hv_path, kvm_path)
#include "abi_list.h"
#undef CONSTANT
#undef SIZE
#undef FIELD
#undef FLEX
#undef BITS
}

TEST(layouts)
{
#define CONSTANT(hv, kvm)
#define SIZE(hv, kvm)							\
	check(_metadata, "sizeof " #hv, sizeof(struct hv), sizeof(struct kvm));
#define FIELD(hv, kvm, hv_path, kvm_path)				\
	check(_metadata, "offset of " #hv "." #hv_path,			\
	      offsetof(struct hv, hv_path), offsetof(struct kvm, kvm_path)); \
	check(_metadata, "size of " #hv "." #hv_path,			\
	      sizeof(MEMBER(hv, hv_path)), sizeof(MEMBER(kvm, kvm_path)));
#define FLEX(hv, kvm, hv_path, kvm_path)				\
	check(_metadata, "offset of " #hv "." #hv_path,			\
	      offsetof(struct hv, hv_path), offsetof(struct kvm, kvm_path)); \
	check(_metadata, "element size of " #hv "." #hv_path,		\
	      sizeof(MEMBER(hv, hv_path)[0]), sizeof(MEMBER(kvm, kvm_path)[0]));
/* A bit-field has no offset: set all of its bits and compare. */
#define BITS(hv, kvm, hv_path, kvm_path)				\
	{								\
		struct hv a = {0};					\
		struct kvm b = {0};					\
									\
		a.hv_path--;						\
		b.kvm_path--;						\
		check(_metadata, "bits of " #hv "." #hv_path, 0,	\
		      memcmp(&a, &b, sizeof(a)));			\
	}
#include "abi_list.h"
}

/* What the header says in words. */
TEST(run_page)
{
	EXPECT_EQ(2352, sizeof(struct hv_run));
	EXPECT_EQ(offsetof(struct hv_run, internal), offsetof(struct hv_run, emulation_failure));
	EXPECT_EQ(12, HV_API_VERSION);
}

TEST_HARNESS_MAIN
