// SPDX-License-Identifier: GPL-2.0-only
/*
 * Port I/O reaches the VMM: every size, IN and OUT, string and REP forms, in
 * 16-, 32- and 64-bit code. How many elements come in one exit is hv's choice.
 */
#include "hvtest.h"
#include "kselftest_harness.h"

#define LOG_SIZE	8192

FIXTURE(pio)
{
	struct vm *vm;
	struct vcpu *vcpu;
	/* The device: what was written, and the pattern that is read. */
	uint8_t log[LOG_SIZE];
	unsigned int logged;
	unsigned int elements;
	unsigned int size;
	uint16_t port;
	uint8_t next;
};

FIXTURE_SETUP(pio)
{
	self->vm = vm_create(0);
	vm_load(self->vm, "pio");
	self->vcpu = vcpu_create(self->vm, 0);
	vcpu_long_mode(self->vcpu, NULL);
	self->next = 1;
}

FIXTURE_TEARDOWN(pio)
{
	vcpu_free(self->vcpu);
	vm_free(self->vm);
}

/* Serve I/O until the guest is done; reads get the bytes 1, 2, 3... */
static void serve(FIXTURE_DATA(pio) *self)
{
	struct hv_run *run = self->vcpu->run;
	uint8_t *data;
	unsigned int i, n;

	for (;;) {
		if (vcpu_run(self->vcpu) != HV_EXIT_IO) {
			vcpu_dump(self->vcpu);
			die("unexpected exit");
		}
		if (run->io.port == PORT_DONE)
			return;
		data = (uint8_t *)run + run->io.data_offset;
		n = run->io.count * run->io.size;
		if (!n || run->io.data_offset < PAGE ||
		    run->io.data_offset + n > self->vm->run_size)
			die("data at %llx, %u bytes", run->io.data_offset, n);
		self->port = run->io.port;
		self->size = run->io.size;
		self->elements += run->io.count;
		if (run->io.direction == HV_EXIT_IO_IN) {
			for (i = 0; i < n; i++)
				data[i] = self->next++;
			continue;
		}
		if (self->logged + n > LOG_SIZE)
			die("too much output");
		memcpy(self->log + self->logged, data, n);
		self->logged += n;
	}
}

static uint64_t call(FIXTURE_DATA(pio) *self, const char *function, uint64_t a, uint64_t b)
{
	self->logged = 0;
	self->elements = 0;
	self->next = 1;
	guest_start(self->vcpu, function, 2, (uint64_t[]){ a, b });
	serve(self);
	return vcpu_regs(self->vcpu).rax;
}

static void fill(FIXTURE_DATA(pio) *self, uint64_t gpa, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		self->vm->ram[gpa + i] = 0x80 + i * 3;
}

TEST_F(pio, out)
{
	static const struct { const char *f; unsigned int size; } t[] = {
		{ "out8", 1 }, { "out16", 2 }, { "out32", 4 },
	};
	unsigned int i;

	for (i = 0; i < 3; i++) {
		call(self, t[i].f, 0x3f8 + i, 0x89abcdef);
		EXPECT_EQ(1, self->elements);
		EXPECT_EQ(t[i].size, self->logged);
		EXPECT_EQ(t[i].size, self->size);
		EXPECT_EQ(0x3f8 + i, self->port);
		EXPECT_EQ(0, memcmp(self->log, "\xef\xcd\xab\x89", t[i].size));
	}
	call(self, "out8", 0xffff, 0x12);
	EXPECT_EQ(0xffff, self->port);
	call(self, "out_immediate", 0x34, 0);
	EXPECT_EQ(0x42, self->port);
	EXPECT_EQ(0x34, self->log[0]);
}

TEST_F(pio, in)
{
	EXPECT_EQ(0xffffffffffffff01, call(self, "in8", 0x60, 0));
	EXPECT_EQ(1, self->size);
	EXPECT_EQ(0xffffffffffff0201, call(self, "in16", 0x61, 0));
	EXPECT_EQ(2, self->size);
	EXPECT_EQ(0x0000000004030201, call(self, "in32", 0x62, 0));
	EXPECT_EQ(4, self->size);
	EXPECT_EQ(0x01, call(self, "in_immediate", 0, 0));
	EXPECT_EQ(0x43, self->port);
	EXPECT_EQ(0x0403020108070605, call(self, "in_twice", 0, 0));
}

TEST_F(pio, rep_outs)
{
	static const struct { const char *f; unsigned int size; } t[] = {
		{ "rep_outs8", 1 }, { "rep_outs16", 2 }, { "rep_outs32", 4 },
	};
	const uint64_t gpa = GUEST_FREE + 0x100;
	unsigned int i;

	fill(self, gpa, 256);
	for (i = 0; i < 3; i++) {
		call(self, t[i].f, gpa, 10);
		EXPECT_EQ(10, self->elements);
		EXPECT_EQ(t[i].size, self->size);
		EXPECT_EQ(0x310, self->port);
		EXPECT_EQ(10 * t[i].size, self->logged);
		EXPECT_EQ(0, memcmp(self->log, self->vm->ram + gpa, self->logged));
		EXPECT_EQ(gpa + 10 * t[i].size, guest_u64(self->vm, "end"));
		EXPECT_EQ(0, ((uint64_t *)guest_var(self->vm, "end"))[1]);
	}
}

TEST_F(pio, rep_ins)
{
	static const struct { const char *f; unsigned int size; } t[] = {
		{ "rep_ins8", 1 }, { "rep_ins16", 2 }, { "rep_ins32", 4 },
	};
	const uint64_t gpa = GUEST_FREE + 0x100;
	unsigned int i, j;

	for (i = 0; i < 3; i++) {
		memset(self->vm->ram + gpa, 0xee, 64);
		call(self, t[i].f, gpa, 7);
		EXPECT_EQ(7, self->elements);
		for (j = 0; j < 7 * t[i].size; j++)
			EXPECT_EQ(j + 1, self->vm->ram[gpa + j]);
		EXPECT_EQ(0xee, self->vm->ram[gpa + j]);
		EXPECT_EQ(gpa + j, guest_u64(self->vm, "end"));
		EXPECT_EQ(0, ((uint64_t *)guest_var(self->vm, "end"))[1]);
	}
}

/* A count of zero does nothing. */
TEST_F(pio, rep_zero)
{
	call(self, "rep_outs8", GUEST_FREE, 0);
	EXPECT_EQ(0, self->elements);
	EXPECT_EQ(GUEST_FREE, guest_u64(self->vm, "end"));
	call(self, "rep_ins32", GUEST_FREE, 0);
	EXPECT_EQ(0, self->elements);
}

/* More than a page at once, across pages. */
TEST_F(pio, rep_long)
{
	const uint64_t gpa = GUEST_FREE + 0xf03;
	unsigned int i;

	fill(self, gpa, 5000);
	call(self, "rep_outs8", gpa, 5000);
	EXPECT_EQ(5000, self->elements);
	EXPECT_EQ(0, memcmp(self->log, self->vm->ram + gpa, 5000));
	call(self, "rep_ins16", gpa, 2500);
	EXPECT_EQ(2500, self->elements);
	for (i = 0; i < 5000; i++)
		if (self->vm->ram[gpa + i] != (uint8_t)(i + 1))
			break;
	EXPECT_EQ(5000, i);
}

TEST_F(pio, direction_flag)
{
	const uint64_t gpa = GUEST_FREE + 0x100;
	unsigned int i;

	fill(self, gpa - 16, 32);
	call(self, "rep_outs8_down", gpa, 8);
	EXPECT_EQ(8, self->logged);
	for (i = 0; i < 8; i++)
		EXPECT_EQ(self->vm->ram[gpa - i], self->log[i]);
	EXPECT_EQ(gpa - 8, guest_u64(self->vm, "end"));
	call(self, "rep_ins8_down", gpa, 8);
	for (i = 0; i < 8; i++)
		EXPECT_EQ(i + 1, self->vm->ram[gpa - i]);
	EXPECT_EQ(gpa - 8, guest_u64(self->vm, "end"));
}

TEST_F(pio, segment_override)
{
	struct hv_sregs s = vcpu_sregs(self->vcpu);

	s.fs.base = GUEST_FREE;
	vcpu_set_sregs(self->vcpu, &s);
	self->vm->ram[GUEST_FREE + 0x20] = 0x5f;
	call(self, "outs_fs", 0x20, 0);
	EXPECT_EQ(1, self->logged);
	EXPECT_EQ(0x5f, self->log[0]);
	EXPECT_EQ(0x21, guest_u64(self->vm, "end"));
}

TEST_F(pio, address_size)
{
	fill(self, GUEST_FREE, 16);
	call(self, "rep_outs8_a32", GUEST_FREE, 5);
	EXPECT_EQ(5, self->logged);
	EXPECT_EQ(0, memcmp(self->log, self->vm->ram + GUEST_FREE, 5));
	EXPECT_EQ(GUEST_FREE + 5, guest_u32(self->vm, "end"));
}

TEST_F(pio, ins_page_fault)
{
	call(self, "ins_fault", 0x7f0000000000, 0);
	EXPECT_EQ(PF_VECTOR, guest_fault(self->vm));
	EXPECT_EQ(2, guest_u64(self->vm, "fault_error"));
	EXPECT_EQ(0x7f0000000000, guest_u64(self->vm, "fault_cr2"));
	/* KVM reads the port before it finds that the data has no place. */
	if (!device_is_kvm())
		EXPECT_EQ(0, self->elements);
}

TEST_F(pio, protected_mode)
{
	uint8_t *buffer;
	unsigned int i;

	vcpu_protected_mode(self->vcpu, "string32");
	buffer = guest_var(self->vm, "buffer");
	fill(self, guest_sym(self->vm, "buffer"), 32);
	serve(self);
	EXPECT_EQ(8, self->elements);
	EXPECT_EQ(10, self->logged);
	for (i = 0; i < 12; i++)
		EXPECT_EQ(i + 1, buffer[i]);
	for (i = 0; i < 10; i++)
		EXPECT_EQ((uint8_t)(0x80 + i * 3), self->log[i]);
	EXPECT_EQ(guest_sym(self->vm, "buffer") + 10, guest_u32(self->vm, "end"));
}

TEST_F(pio, real_mode)
{
	struct vm *vm = vm_create(0);
	uint8_t *buffer;
	unsigned int i;

	vm_load(vm, "pio");
	self->vm = vm;
	self->vcpu = vcpu_create(vm, 0);
	vcpu_real_mode(self->vcpu, "string16");
	buffer = guest_var(vm, "buffer");
	fill(self, guest_sym(vm, "buffer"), 32);
	serve(self);
	EXPECT_EQ(6 + 4, self->logged);
	EXPECT_EQ(6 + 4 + 2, self->elements);
	for (i = 0; i < 8; i++)
		EXPECT_EQ(i + 1, buffer[i]);
	EXPECT_EQ(9, ((uint8_t *)guest_var(vm, "end"))[16]);
	EXPECT_EQ(0, memcmp(self->log + 6, "\xef\xcd\xab\x89", 4));
	EXPECT_EQ(0x313, self->port);
}

TEST_HARNESS_MAIN
