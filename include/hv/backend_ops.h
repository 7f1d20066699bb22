/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Members of struct hv_backend on the path of an exit, which are called through static
 * calls. The includer defines HV_BACKEND_OP(member).
 */
HV_BACKEND_OP(load);
HV_BACKEND_OP(put);
HV_BACKEND_OP(enter);
HV_BACKEND_OP(handle_exit);
HV_BACKEND_OP(cache_regs);
HV_BACKEND_OP(get_segment);
HV_BACKEND_OP(set_segment);
HV_BACKEND_OP(get_access);
HV_BACKEND_OP(set_cr);
HV_BACKEND_OP(get_msr);
HV_BACKEND_OP(set_msr);
HV_BACKEND_OP(get_blocking);
HV_BACKEND_OP(set_blocking);
HV_BACKEND_OP(update);
HV_BACKEND_OP(inject);
HV_BACKEND_OP(open_window);
HV_BACKEND_OP(flush_tlb);
HV_BACKEND_OP(skip_insn);

#undef HV_BACKEND_OP
