import { StatisticsTexts } from "./messages";
import { StatisticsPage } from "./statistics";

export function StatisticsPageWithTexts() {
  return (
    <StatisticsTexts>
      <StatisticsPage />
    </StatisticsTexts>
  );
}
