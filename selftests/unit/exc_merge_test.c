// SPDX-License-Identifier: GPL-2.0-only
/*
 * Each cell of the table of double faults (SDM 3A 6.15, table 6-5).
 */
#include <stdio.h>
#include "../../src/x86/exc_merge.h"

#include <kselftest_harness.h>

long compat_pages;
long compat_pages_left = -1;

/* Vectors by class (SDM 3A table 6-4) */
static const u8 benign[] = { 1, 2, 3, 4, 5, 6, 7, 9, 16, 17, 18, 19, 22, 31, 32, 40, 46, 78, 255 };
static const u8 contributory[] = { 0, 10, 11, 12, 13, 21 };
static const u8 page_fault[] = { 14, 20 };
static const u8 double_fault[] = { 8 };

static void merge(struct __test_metadata *_metadata, const u8 *first, size_t nr_first,
		  const u8 *second, size_t nr_second, int result)
{
	size_t i, j;

	for (i = 0; i < nr_first; i++)
		for (j = 0; j < nr_second; j++)
			EXPECT_EQ(result, hv_exc_merge(first[i], second[j])) {
				TH_LOG("%u, then %u", first[i], second[j]);
			}
}

#define ALL(first, second, result)	\
	merge(_metadata, first, sizeof(first), second, sizeof(second), result)

TEST(first_benign)
{
	ALL(benign, benign, HV_EXC_SERIAL);
	ALL(benign, contributory, HV_EXC_SERIAL);
	ALL(benign, page_fault, HV_EXC_SERIAL);
}

TEST(first_contributory)
{
	ALL(contributory, benign, HV_EXC_SERIAL);
	ALL(contributory, contributory, HV_EXC_DOUBLE);
	ALL(contributory, page_fault, HV_EXC_SERIAL);
}

TEST(first_page_fault)
{
	ALL(page_fault, benign, HV_EXC_SERIAL);
	ALL(page_fault, contributory, HV_EXC_DOUBLE);
	ALL(page_fault, page_fault, HV_EXC_DOUBLE);
}

TEST(first_double_fault)
{
	ALL(double_fault, benign, HV_EXC_SERIAL);
	ALL(double_fault, contributory, HV_EXC_SHUTDOWN);
	ALL(double_fault, page_fault, HV_EXC_SHUTDOWN);
}

TEST_HARNESS_MAIN
