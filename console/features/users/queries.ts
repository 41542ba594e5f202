import type { UserAdminRead, UsersListData } from "undercroft-client";
import { api } from "@/lib/api";
import { listQuery, query, readNumbered } from "@/lib/query";

type Filters = Pick<NonNullable<UsersListData["query"]>, "q" | "sort" | "role" | "is_active">;

export type User = UserAdminRead;

export const USERS = ["admin", "users"] as const;

export const usersQuery = (filters: Filters) =>
  listQuery([...USERS, "list", filters], (cursor, signal) =>
    readNumbered(cursor, (page) => api.users.list({ ...filters, ...page }, { signal })),
  );

export const userKey = (id: string) => [...USERS, id] as const;

export const userQuery = (id: string) =>
  query([...userKey(id), "user"], (signal) => api.users.read({ user_id: id }, { signal }));

const SESSIONS = 100;

/** The most recently used sessions of a user. */
export const userSessionsQuery = (id: string) =>
  query([...userKey(id), "sessions"], (signal) =>
    api.users.listSessions({ user_id: id, page: 1, size: SESSIONS }, { signal }),
  );
