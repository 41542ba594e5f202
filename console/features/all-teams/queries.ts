import type { AllTeamsListData, TeamAdminRead } from "undercroft-client";
import { api } from "@/lib/api";
import { listQuery, query, readNumbered } from "@/lib/query";

type Filters = Pick<NonNullable<AllTeamsListData["query"]>, "q" | "sort" | "is_personal" | "is_deleted" | "member_id">;

export type AnyTeam = TeamAdminRead;

export const ALL_TEAMS = ["admin", "teams"] as const;

export const allTeamsQuery = (filters: Filters) =>
  listQuery([...ALL_TEAMS, "list", filters], (cursor, signal) =>
    readNumbered(cursor, (page) => api.allTeams.list({ ...filters, ...page }, { signal })),
  );

export const anyTeamQuery = (id: string) =>
  query([...ALL_TEAMS, id, "team"], (signal) => api.allTeams.read({ team_id: id }, { signal }));

/** The members, whose pages have numbers. */
export const anyTeamMembersQuery = (id: string) =>
  listQuery([...ALL_TEAMS, id, "members"], async ({ cursor, limit }, signal) => {
    const page = Number(cursor ?? 1);
    const found = await api.allTeams.listMembers({ team_id: id, page, size: limit }, { signal });
    return { ...found, next_cursor: page < (found.pages ?? 1) ? String(page + 1) : null };
  });
