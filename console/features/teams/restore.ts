"use client";

import { useRouter } from "next/navigation";
import type { TeamRead } from "undercroft-client";
import { useAction } from "@/lib/action";
import { api } from "@/lib/api";
import { useTranslations } from "@/lib/i18n";
import { withParams } from "@/lib/url";
import { TEAMS } from "./current";

/** Restores a deleted team and opens it. */
export function useRestoreTeam() {
  const t = useTranslations("teams");
  const router = useRouter();
  return useAction({
    run: async ({ id }: TeamRead, key) => api.teams.restore({ deleted_team_id: id, "Idempotency-Key": key }),
    success: (team) => t("restored", { team: team.name }),
    invalidates: [TEAMS],
    onSuccess: (team) => router.push(withParams("/", { team: team.slug })),
  });
}
