"use client";

import { useQuery, useQueryClient } from "@tanstack/react-query";
import type { JoinOffer } from "undercroft-client";
import { useRouter } from "next/navigation";
import { Button } from "@/components/ui/button";
import { Section } from "@/components/ui/layout";
import { useMe } from "@/features/session/session";
import { useRoleLabel } from "@/features/team/use-roles";
import { TEAMS } from "@/features/teams/current";
import { useAction } from "@/lib/action";
import { api } from "@/lib/api";
import { useTranslations } from "@/lib/i18n";
import { query } from "@/lib/query";
import { withParams } from "@/lib/url";

const OFFERS = ["join-offers"] as const;

/** Teams that the user can join through the domain of the verified address. */
export function JoinOffers() {
  const t = useTranslations("dashboard");
  const me = useMe();
  const offers = useQuery(query(OFFERS, (signal) => api.teams.listJoinOffers({ size: 20 }, { signal })));
  const items = offers.data?.items ?? [];
  if (items.length === 0 || me.impersonated_by !== null) return null;
  return (
    <Section title={t("offers")} text={t("offersText", { domain: items[0]?.domain ?? "" })}>
      <ul className="divide-y divide-line">
        {items.map((offer) => (
          <Offer key={offer.id} offer={offer} />
        ))}
      </ul>
    </Section>
  );
}

function Offer({ offer }: { offer: JoinOffer }) {
  const t = useTranslations("dashboard");
  const label = useRoleLabel();
  const router = useRouter();
  const client = useQueryClient();
  const join = useAction({
    run: (_: void, key) => api.teams.acceptJoinOffer({ team_id: offer.id, "Idempotency-Key": key }),
    success: t("joined", { team: offer.name }),
    invalidates: [OFFERS],
    onSuccess: async (team) => {
      await client.refetchQueries({ queryKey: TEAMS, exact: true });
      router.push(withParams("/", { team: team.slug }));
    },
  });
  return (
    <li className="flex flex-wrap items-center gap-3 py-2.5">
      <span className="min-w-0 flex-1 basis-48">
        <span className="block truncate font-medium">{offer.name}</span>
        <span className="block text-sm text-quiet">{t("offerRole", { role: label(offer.role) })}</span>
      </span>
      <Button
        variant="secondary"
        size="small"
        pending={join.isPending}
        aria-label={t("joinNamed", { team: offer.name })}
        onClick={() => join.mutate()}
      >
        {t("join")}
      </Button>
    </li>
  );
}
