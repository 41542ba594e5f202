"use client";

import { useInfiniteQuery } from "@tanstack/react-query";
import type { TeamRead } from "undercroft-client";
import { List } from "@/components/list";
import { RelativeTime } from "@/components/time";
import { Button } from "@/components/ui/button";
import { Empty, PageHeader } from "@/components/ui/layout";
import { api } from "@/lib/api";
import { useTranslations } from "@/lib/i18n";
import { numberedListQuery } from "@/lib/query";
import { TEAMS } from "./current";
import { useRestoreTeam } from "./restore";

const deletedTeamsQuery = numberedListQuery<TeamRead>([...TEAMS, "deleted"], (page, signal) =>
  api.teams.list({ deleted: true, ...page }, { signal }),
);

/** The teams of the user that can still be restored. */
export function DeletedTeams() {
  const t = useTranslations("teams");
  const teams = useInfiniteQuery(deletedTeamsQuery);
  return (
    <>
      <PageHeader title={t("deletedTitle")} text={t("deletedText")} />
      <List
        query={teams}
        label={t("deletedTitle")}
        keyOf={(team) => team.id}
        render={(team) => <DeletedTeam team={team} />}
        empty={<Empty title={t("noneDeletedTitle")} text={t("noneDeletedText")} />}
      />
    </>
  );
}

function DeletedTeam({ team }: { team: TeamRead }) {
  const t = useTranslations("teams");
  const restore = useRestoreTeam();
  return (
    <div className="flex flex-wrap items-center gap-x-4 gap-y-2 px-5 py-3">
      <div className="min-w-0 flex-1 basis-60">
        <p className="truncate font-medium">{team.name}</p>
        <p className="text-sm text-quiet">
          {t.rich("deletedAt", { time: () => <RelativeTime value={team.deleted_at ?? team.updated_at} /> })}
        </p>
      </div>
      {team.role === "owner" ? (
        <Button variant="secondary" size="small" pending={restore.isPending} onClick={() => restore.mutate(team)}>
          {t("restore")}
        </Button>
      ) : (
        <p className="text-sm text-quiet">{t("askOwner")}</p>
      )}
    </div>
  );
}
