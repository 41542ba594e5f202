"use client";

import { Plus } from "lucide-react";
import { useRouter } from "next/navigation";
import { useState } from "react";
import { Button } from "@/components/ui/button";
import { useTranslations } from "@/lib/i18n";
import { withParams } from "@/lib/url";
import { CreateTeam } from "./create";

/** Creates a team and opens it. */
export function CreateTeamButton() {
  const t = useTranslations("teams");
  const router = useRouter();
  const [isCreating, setCreating] = useState(false);
  return (
    <>
      <Button onClick={() => setCreating(true)}>
        <Plus className="size-4" aria-hidden />
        {t("create")}
      </Button>
      <CreateTeam
        open={isCreating}
        onOpenChange={setCreating}
        onCreated={({ slug }) => router.push(withParams("/", { team: slug }))}
      />
    </>
  );
}
