"use client";

import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { ArrowRight } from "lucide-react";
import Link from "next/link";
import { useRouter } from "next/navigation";
import { useState } from "react";
import { Section } from "@/components/ui/layout";
import { projectsQuery } from "@/features/projects/queries";
import { mfaQuery } from "@/features/security/queries";
import { useMe } from "@/features/session/session";
import { useHasModule } from "@/features/shell/config";
import { memberCountQuery } from "@/features/team/queries";
import { CreateTeam } from "@/features/teams/create";
import { useCan, useTeam, useTeamHref, useTeams } from "@/features/teams/current";
import { useTranslations } from "@/lib/i18n";
import { withParams } from "@/lib/url";

interface Step {
  title: string;
  text: string;
  /** Where the step is done, or what starts it. */
  target: string | (() => void);
}

/** What a newcomer does next. Each step disappears when it is done, and the list with the last one. */
export function NextSteps() {
  const t = useTranslations("dashboard");
  const router = useRouter();
  const [isCreating, setCreating] = useState(false);
  const steps = useSteps(() => setCreating(true));
  return (
    <>
      {steps.length > 0 && (
        <Section title={t("steps")} text={t("stepsText")}>
          <ul className="grid gap-2">
            {steps.map((step) => (
              <li key={step.title}>
                <StepRow step={step} />
              </li>
            ))}
          </ul>
        </Section>
      )}
      <CreateTeam
        open={isCreating}
        onOpenChange={setCreating}
        onCreated={({ slug }) => router.push(withParams("/", { team: slug }))}
      />
    </>
  );
}

function useSteps(createTeam: () => void): Step[] {
  const t = useTranslations("dashboard");
  const me = useMe();
  const can = useCan();
  const has = useHasModule();
  const team = useTeam();
  const teams = useTeams();
  const href = useTeamHref();
  const canInvite = can("invitations:write") && !team.is_personal;
  const canCreate = has("projects") && can("projects:write");
  const factors = useQuery({ ...mfaQuery, enabled: has("mfa") && me.impersonated_by === null });
  const members = useQuery({ ...memberCountQuery(team.id), enabled: canInvite });
  const projects = useInfiniteQuery({ ...projectsQuery(team.id, { sort: "-updated_at" }), enabled: canCreate });

  if (me.impersonated_by !== null) return [];
  const steps: (Step & { isOpen: boolean })[] = [
    {
      isOpen: factors.data !== undefined && !factors.data.totp && factors.data.passkeys.length === 0,
      title: t("stepSecurity"),
      text: t("stepSecurityText"),
      target: href("/account/security/"),
    },
    {
      isOpen: teams.every(({ is_personal }) => is_personal),
      title: t("stepTeam"),
      text: t("stepTeamText"),
      target: createTeam,
    },
    {
      isOpen: canInvite && members.data === 1,
      title: t("stepInvite"),
      text: t("stepInviteText", { team: team.name }),
      target: href("/team/invitations/", { new: "1" }),
    },
    {
      isOpen: canCreate && projects.data?.pages[0]?.items.length === 0,
      title: t("stepProject"),
      text: t("stepProjectText"),
      target: href("/projects/", { new: "1" }),
    },
  ];
  return steps.filter(({ isOpen }) => isOpen);
}

const row = "flex w-full cursor-pointer items-center gap-3 rounded-lg border border-line p-3 text-left hover:bg-ground";

function StepRow({ step: { title, text, target } }: { step: Step }) {
  const content = (
    <>
      <span className="min-w-0 flex-1">
        <span className="block font-medium">{title}</span>
        <span className="block text-sm text-quiet">{text}</span>
      </span>
      <ArrowRight className="size-4 shrink-0 text-quiet" aria-hidden />
    </>
  );
  return typeof target === "string" ? (
    <Link href={target} prefetch={false} className={row}>
      {content}
    </Link>
  ) : (
    <button type="button" className={row} onClick={target}>
      {content}
    </button>
  );
}
