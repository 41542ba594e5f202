"use client";

import { useQuery, useQueryClient } from "@tanstack/react-query";
import Link from "next/link";
import { useRouter } from "next/navigation";
import { Button } from "@/components/ui/button";
import { ConfirmDialog } from "@/components/ui/confirm";
import { Dialog, DialogActions } from "@/components/ui/dialog";
import { useMe } from "@/features/session/session";
import { TEAMS, useTeam, useTeamHref, useTeams } from "@/features/teams/current";
import { useAction } from "@/lib/action";
import { api } from "@/lib/api";
import { useTranslations } from "@/lib/i18n";
import { withParams } from "@/lib/url";
import { memberCountQuery } from "./queries";

interface Props {
  open: boolean;
  onClose: () => void;
}

/** Asks before the user leaves the team. The only owner first needs another one. */
export function LeaveTeam({ open, onClose }: Props) {
  const t = useTranslations("team.leave");
  const team = useTeam();
  const href = useTeamHref();
  const owners = useQuery({ ...memberCountQuery(team.id, "owner"), enabled: open && team.role === "owner" });
  const leave = useLeave();
  if (team.role === "owner" && (owners.data ?? 1) < 2)
    return (
      <Dialog open={open} onOpenChange={onClose} title={t("onlyOwnerTitle")} description={t("onlyOwnerText")}>
        <DialogActions>
          <Button asChild>
            <Link href={href("/team/settings/")} prefetch={false}>
              {t("openSettings")}
            </Link>
          </Button>
        </DialogActions>
      </Dialog>
    );
  return (
    <ConfirmDialog
      open={open}
      onOpenChange={onClose}
      title={t("title", { team: team.name })}
      text={t("text")}
      action={t("action")}
      onConfirm={() => leave.mutateAsync()}
    />
  );
}

function useLeave() {
  const t = useTranslations("team.leave");
  const team = useTeam();
  const me = useMe();
  const exit = useExit();
  return useAction({
    run: () => api.teams.removeMember({ team_id: team.id, user_id: me.id }),
    success: t("done", { team: team.name }),
    onSuccess: exit,
  });
}

/** Returns a function that opens another team, after the user has lost the current one. */
export function useExit(): () => void {
  const router = useRouter();
  const client = useQueryClient();
  const team = useTeam();
  const teams = useTeams();
  return () => {
    router.push(withParams("/", { team: teams.find(({ id }) => id !== team.id)?.slug }));
    void client.invalidateQueries({ queryKey: TEAMS, exact: true });
  };
}
