import type { InvitationRead, MemberRead, TeamsListMembersData } from "undercroft-client";
import { api } from "@/lib/api";
import { numberedListQuery, query } from "@/lib/query";

export type Member = MemberRead;
export type Invitation = InvitationRead;
export type MemberFilters = Pick<NonNullable<TeamsListMembersData["query"]>, "q" | "sort" | "role">;

export const membersKey = (teamId: string) => ["teams", teamId, "members"] as const;

export const membersQuery = (teamId: string, filters: MemberFilters) =>
  numberedListQuery<Member>([...membersKey(teamId), "list", filters], (page, signal) =>
    api.teams.listMembers({ team_id: teamId, ...filters, ...page }, { signal }),
  );

/** The number of members with a role, or of all. */
export const memberCountQuery = (teamId: string, role?: string) =>
  query([...membersKey(teamId), "count", role], async (signal) => {
    const { total } = await api.teams.listMembers({ team_id: teamId, size: 1, ...(role && { role }) }, { signal });
    return total ?? 0;
  });

export const invitationsKey = (teamId: string) => ["teams", teamId, "invitations"] as const;

export const invitationsQuery = (teamId: string, q?: string) =>
  numberedListQuery<Invitation>([...invitationsKey(teamId), { q }], (page, signal) =>
    api.teams.listInvitations({ team_id: teamId, ...(q && { q }), ...page }, { signal }),
  );
