import { api } from "@/lib/api";
import { query } from "@/lib/query";

export const MFA = ["mfa"] as const;

/** The second factors of the user. */
export const mfaQuery = query(MFA, (signal) => api.mfa.read({ signal }));
