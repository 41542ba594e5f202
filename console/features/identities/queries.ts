import type { IdentityRead, ProviderRead } from "undercroft-client";
import { api } from "@/lib/api";
import { query } from "@/lib/query";

export const IDENTITIES = ["identities"] as const;

/** A user can have few of them: one request reads all. */
const ALL = 100;

export const identitiesQuery = query(IDENTITIES, (signal) => api.identities.list({ size: ALL }, { signal }));

/** The providers that users can sign in with. */
export const providersQuery = {
  ...query(["providers"], (signal) => api.auth.listProviders({ signal })),
  staleTime: Infinity,
};

export type Identity = IdentityRead;

export type Provider = ProviderRead;
