"use client";

import { useQuery } from "@tanstack/react-query";
import type { PermissionMatrix, TeamRead } from "undercroft-client";
import { createContext, useCallback, useContext, useEffect, useMemo, useState, type ReactNode } from "react";
import { ErrorPanel } from "@/components/error-text";
import { Empty } from "@/components/ui/layout";
import { useMe } from "@/features/session/session";
import { ShellSkeleton } from "@/features/shell/skeleton";
import { api } from "@/lib/api";
import { useTranslations } from "@/lib/i18n";
import { query } from "@/lib/query";
import { useParams, withParams, type Params } from "@/lib/url";

export const TEAMS = ["teams"] as const;

/** The team of the last visit, for pages that are opened without one. */
const LAST = "undercroft.team";

interface Current {
  team: TeamRead;
  teams: readonly TeamRead[];
  /** Names of the user's permissions in the team. */
  permissions: ReadonlySet<string>;
  /** The roles of the team and their permissions; undefined if the team cannot be used. */
  matrix: PermissionMatrix | undefined;
  /** Why the team cannot be used now, such as a missing second factor. */
  error: Error | null;
}

const TeamContext = createContext<Current | undefined>(undefined);

function useCurrent(): Current {
  const current = useContext(TeamContext);
  if (current === undefined) throw new Error("useTeam needs a TeamProvider");
  return current;
}

/** The team of this tab, which the URL names, so that each tab can have another one. */
export const useTeam = (): TeamRead => useCurrent().team;

export const useTeams = (): readonly TeamRead[] => useCurrent().teams;

/** The roles of the team, and all permissions. */
export const useMatrix = (): PermissionMatrix => useCurrent().matrix ?? NO_MATRIX;

const NO_MATRIX: PermissionMatrix = { permissions: [], roles: [] };

/** Why the team cannot be used now; null if it can. */
export const useTeamError = (): Error | null => useCurrent().error;

/** Returns whether the user has a permission in the team. Without it, the server refuses the request. */
export function useCan(): (permission: string) => boolean {
  const { permissions } = useCurrent();
  const isReadOnly = useMe().impersonated_by !== null;
  return useCallback(
    (permission) => permissions.has(permission) && (!isReadOnly || permission.endsWith(":read")),
    [permissions, isReadOnly],
  );
}

/** Returns a path of the console with the current team. */
export function useTeamHref(): (path: string, params?: Params) => string {
  const { team } = useCurrent();
  return useCallback((path, params) => withParams(path, { team: team.slug, ...params }), [team.slug]);
}

export const permissionsQuery = (teamId: string) =>
  query(["teams", teamId, "permissions"], (signal) => api.teams.readPermissions({ "X-Team-ID": teamId }, { signal }));

/** Reads all teams of the user, 100 in a request. */
async function readTeams(signal: AbortSignal): Promise<TeamRead[]> {
  const teams: TeamRead[] = [];
  for (let page = 1, pages = 1; page <= pages; page++) {
    const found = await api.teams.list({ page, size: 100, sort: "name" }, { signal });
    teams.push(...found.items);
    pages = found.pages ?? page;
  }
  return teams;
}

export function TeamProvider({ children }: { children: ReactNode }) {
  const [params, change] = useParams();
  const slug = params.get("team");
  const teams = useQuery(query(TEAMS, readTeams));
  const team = useChosenTeam(teams.data ?? NO_TEAMS, slug);
  const matrix = useQuery({ ...permissionsQuery(team?.id ?? ""), enabled: team !== undefined });

  useEffect(() => {
    if (team === undefined) return;
    localStorage.setItem(LAST, team.slug);
    if (slug !== team.slug) change({ team: team.slug });
  }, [team, slug, change]);

  const permissions = useMemo(
    () => new Set(matrix.data?.roles.find((role) => role.name === team?.role)?.permissions),
    [matrix.data, team?.role],
  );
  if (teams.data !== undefined && team !== undefined && (matrix.data !== undefined || matrix.error !== null)) {
    const error = matrix.data === undefined ? matrix.error : null;
    return (
      <TeamContext value={{ team, teams: teams.data, permissions, matrix: matrix.data, error }}>{children}</TeamContext>
    );
  }
  if (teams.data !== undefined && team === undefined)
    return <UnknownTeam onChoose={() => change({ team: undefined })} />;
  if (teams.error) return <ErrorPanel error={teams.error} onRetry={() => void teams.refetch()} />;
  return <ShellSkeleton />;
}

const NO_TEAMS: readonly TeamRead[] = [];

/** The team of `chooseTeam`; while it is shown, it stays the same also if it gets another slug. */
function useChosenTeam(teams: readonly TeamRead[], slug: string | null): TeamRead | undefined {
  const [shown, setShown] = useState<TeamRead>();
  const named = useMemo(() => chooseTeam(teams, slug), [teams, slug]);
  if (named !== undefined && (named.id !== shown?.id || named.slug !== shown.slug)) setShown(named);
  return named ?? (shown?.slug === slug ? teams.find((team) => team.id === shown?.id) : undefined);
}

/** The team that the URL names, or else that of the last visit, or else the first one. */
function chooseTeam(teams: readonly TeamRead[], slug: string | null): TeamRead | undefined {
  if (slug !== null) return teams.find((team) => team.slug === slug);
  const last = typeof window === "undefined" ? null : localStorage.getItem(LAST);
  return teams.find((team) => team.slug === last) ?? teams[0];
}

function UnknownTeam({ onChoose }: { onChoose: () => void }) {
  const t = useTranslations("teams");
  return (
    <Empty
      title={t("unknownTitle")}
      text={t("unknownText")}
      action={
        <button type="button" className="cursor-pointer text-accent underline" onClick={onChoose}>
          {t("unknownAction")}
        </button>
      }
    />
  );
}
